"""Files by content on the local disk: what a machine keeps of a store that all machines share."""

import asyncio
import errno
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from core.domain.errors import ArtefactRefused, ConfigurationError, StorageFull, ThreadsMlError

PARTIAL = ".partial-"
KEPT_FILES = 5
ABANDONED_AFTER_SECONDS = 3600

_OUR_NAME = re.compile(r"[0-9a-f]{64}\.joblib")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Chunks = Callable[[], AsyncGenerator[bytes, None]]
"""The stored bytes from their beginning."""


class ArtefactCache:
    """Files named `<sha256>.joblib` in one folder, which several processes share and anybody may wipe."""

    def __init__(self, folder: Path, store: str) -> None:
        """store: what errors call the place that the bytes come from, as `in Postgres`."""
        self._folder = folder
        self._store = store

    async def fetch(self, sha256: str, stored_chunks: Chunks) -> Path:
        """A file with exactly these bytes; one that is missing or damaged is written anew from the stored chunks.

        Raises ArtefactRefused where those are damaged too, StorageFull, and ConfigurationError where the folder cannot
        be written.
        """
        path = self._path_of(sha256)
        if await asyncio.to_thread(_holds, path, sha256):
            return path
        if path.exists():
            structlog.get_logger().warning("model_file_damaged", file=str(path), action="fetched again")
        await asyncio.to_thread(forget_partial_files, self._folder)
        await _write(path, sha256, stored_chunks, self._store)
        await asyncio.to_thread(_forget_oldest, self._folder)
        return path

    async def forget(self, sha256: str) -> None:
        """Remove the file, if it is there."""
        await asyncio.to_thread(self._path_of(sha256).unlink, missing_ok=True)

    def _path_of(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.joblib"


def identity_of(path: Path) -> tuple[str, int]:
    """The sha256 and size of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


def forget_partial_files(folder: Path) -> None:
    """Remove what killed processes have left half written; a living one writes to its own all the time."""
    for file in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > ABANDONED_AFTER_SECONDS:
                file.unlink()


def cannot_keep(folder: Path, error: OSError) -> ThreadsMlError:
    """What it means that a file could not be written there: no room, or a setting that is wrong."""
    if error.errno in _NO_ROOM:
        return StorageFull(f"there is no room for a model in MODEL_PATH={folder}: {error.strerror}")
    return ConfigurationError(f"models cannot be kept in MODEL_PATH={folder}: {error}")


async def _write(path: Path, sha256: str, stored_chunks: Chunks, store: str) -> None:
    digest = hashlib.sha256()
    with _replacing(path) as file:
        async with aclosing(stored_chunks()) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
        if digest.hexdigest() != sha256:
            raise ArtefactRefused(
                f"the stored bytes of the model are missing or damaged {store} (sha256 {sha256[:12]}…)"
            )
        await asyncio.to_thread(_sync, file)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name only when the block is done: readers see the whole of it or none.

    Raises StorageFull, and ConfigurationError where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=PARTIAL, delete=False) as file:
            try:
                yield file  # type: ignore[misc]  # typeshed's wrapper of a temporary file is no BinaryIO by name
                file.close()
                Path(file.name).replace(path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_keep(path.parent, error) from error


def _forget_oldest(folder: Path) -> None:
    """A model a day would fill the disk; whoever has an old one mapped keeps it until it lets go.

    Files of other names are somebody else's.
    """
    with suppress(OSError):
        ours = (file for file in folder.iterdir() if _OUR_NAME.fullmatch(file.name))
        files = sorted(ours, key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[KEPT_FILES:]:
            file.unlink(missing_ok=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _holds(path: Path, sha256: str) -> bool:
    """Whether the file is there and sound; then it counts as new, because it is used. A disk may fail to read it."""
    try:
        if not path.is_file() or identity_of(path)[0] != sha256:
            return False
    except OSError:
        return False
    with suppress(OSError):
        os.utime(path)
    return True
