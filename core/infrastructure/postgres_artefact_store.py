"""The bytes of models in Postgres, in chunks, with a copy on the local disk."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import BinaryIO

import structlog

from core.domain.errors import ArtefactRefused, ConfigurationError
from core.infrastructure.joblib_model_file import PARTIAL
from core.infrastructure.postgres_pool import Connection, Pool, transaction

CHUNK_BYTES = 2 * 1024 * 1024
CHUNK_TIMEOUT_SECONDS = 60.0

_LOCK = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
_IS_STORED = "select exists (select from model_artefact where sha256 = $1)"
_ADD_CHUNK = "insert into model_artefact (sha256, ordinal, bytes) values ($1, $2, $3)"
_CHUNKS = "select bytes from model_artefact where sha256 = $1 order by ordinal"


class PostgresArtefactStore:
    """Several machines without a shared disk use the same models; each keeps those it uses under `cache_dir`."""

    def __init__(self, pool: Pool, cache_dir: Path) -> None:
        self._pool = pool
        self._cache_dir = cache_dir

    async def put(self, path: Path) -> tuple[str, int]:
        """Store the file's bytes, unless they are there; all or none of them, and none but those with that sha256."""
        sha256, size_bytes = await asyncio.to_thread(_identity_of, path)
        async with transaction(self._pool) as connection:
            await connection.execute(_LOCK, sha256, timeout=CHUNK_TIMEOUT_SECONDS)
            if not await connection.fetchval(_IS_STORED, sha256):
                await _send(connection, path, sha256)
        return sha256, size_bytes

    async def fetch(self, sha256: str) -> Path:
        """A local file with exactly these bytes; a damaged one is replaced."""
        path = self._cache_dir / f"{sha256}.joblib"
        if not await asyncio.to_thread(_holds, path, sha256):
            if path.exists():
                structlog.get_logger().warning("model_file_damaged", file=str(path), action="fetched again")
            await self._download(sha256, path)
        return path

    async def _download(self, sha256: str, path: Path) -> None:
        digest = hashlib.sha256()
        with _replacing(path) as file:
            async with aclosing(self._stored_chunks(sha256)) as chunks:
                async for chunk in chunks:
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            if digest.hexdigest() != sha256:
                raise ArtefactRefused(f"the stored bytes of the model are missing or damaged (sha256 {sha256[:12]}…)")
            await asyncio.to_thread(_sync, file)

    async def _stored_chunks(self, sha256: str) -> AsyncGenerator[bytes, None]:
        async with transaction(self._pool) as connection:
            async for row in connection.cursor(_CHUNKS, sha256, prefetch=2, timeout=CHUNK_TIMEOUT_SECONDS):
                yield row["bytes"]


async def _send(connection: Connection, path: Path, sha256: str) -> None:
    """Add the chunks, each digested while the server writes it. Raises ArtefactRefused for what has changed since."""
    digest = hashlib.sha256()
    for ordinal, chunk in enumerate(_chunks_of(path)):
        adding = connection.execute(_ADD_CHUNK, sha256, ordinal, chunk, timeout=CHUNK_TIMEOUT_SECONDS)
        await asyncio.gather(adding, asyncio.to_thread(digest.update, chunk))
    if digest.hexdigest() != sha256:
        raise ArtefactRefused(f"{path} was changed while it was stored")


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name only when the block is done: readers see the whole of it or none.

    Raises ConfigurationError where the folder cannot be written.
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
        raise ConfigurationError(f"models cannot be kept in MODEL_PATH={path.parent}: {error}") from error


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _holds(path: Path, sha256: str) -> bool:
    return path.is_file() and _identity_of(path)[0] == sha256


def _identity_of(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


def _chunks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
