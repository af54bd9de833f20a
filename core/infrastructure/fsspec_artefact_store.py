"""The bytes of models at any URL that fsspec knows: a shared folder, S3 and its like, SFTP."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from fsspec.core import url_to_fs

from core.domain.errors import ArchiveUnavailable, ArtefactRefused, ConfigurationError, ThreadsMlError
from core.infrastructure.artefact_cache import PARTIAL, ArtefactCache, identity_of

CHUNK_BYTES = 8 * 1024 * 1024
# Of one call; an upload is one.
TIMEOUT_SECONDS = 300.0

Result = TypeVar("Result")


class FsspecArtefactStore:
    """Files named `<sha256>.joblib` under the URL, each of which gets its name when it is whole.

    Where the store is away ArchiveUnavailable is raised, and ConfigurationError where the URL cannot be used.
    """

    def __init__(self, url: str, cache_dir: Path) -> None:
        self._cache = ArtefactCache(cache_dir, "under ARTEFACT_URL")
        try:
            self._files, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"ARTEFACT_URL cannot be used: {error}") from error
        except Exception as error:  # some connect already here, and each has errors of its own
            raise _away(error) from error
        self._root = root.rstrip("/")

    async def put(self, path: Path) -> tuple[str, int]:
        """Store the file's bytes, unless they are there."""
        sha256, size_bytes = await asyncio.to_thread(identity_of, path)
        await _called(self._put, path, sha256, size_bytes)
        return sha256, size_bytes

    async def fetch(self, sha256: str) -> Path:
        """A local file with exactly these bytes; a damaged one is replaced."""
        return await self._cache.fetch(sha256, lambda: self._stored_chunks(sha256))

    async def remove(self, sha256: str) -> None:
        """Delete the file, and this machine's copy."""
        await _called(self._remove, self._place_of(sha256))
        await self._cache.forget(sha256)

    async def remove_strays(self, named: Collection[str]) -> int:  # noqa: ARG002 - the port's signature
        """Remove nothing: other registries may have theirs under the same URL."""
        return 0

    def _place_of(self, sha256: str) -> str:
        return f"{self._root}/{sha256}.joblib"

    def _put(self, path: Path, sha256: str, size_bytes: int) -> None:
        place = self._place_of(sha256)
        if self._files.exists(place) and self._files.size(place) == size_bytes:
            return
        self._files.makedirs(self._root, exist_ok=True)
        partial = f"{self._root}/{PARTIAL}{uuid4().hex}"
        try:
            self._files.put_file(str(path), partial)
            if identity_of(path)[0] != sha256:
                raise ArtefactRefused(f"{path} was changed while it was stored")
            self._files.mv(partial, place)
        finally:
            self._remove(partial)

    def _remove(self, place: str) -> None:
        # Listings may be cached from before another machine's change.
        self._files.invalidate_cache()
        if self._files.exists(place):
            self._files.rm_file(place)

    async def _stored_chunks(self, sha256: str) -> AsyncGenerator[bytes, None]:
        self._files.invalidate_cache()
        place = self._place_of(sha256)
        if not await _called(self._files.exists, place):
            return
        file = await _called(self._files.open, place, "rb")
        try:
            while chunk := await _called(file.read, CHUNK_BYTES):
                yield chunk
        finally:
            await asyncio.to_thread(file.close)


async def _called(work: Callable[..., Result], *arguments: Any) -> Result:
    """In a thread, for a bounded time; what goes wrong there becomes an error of ours."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await asyncio.to_thread(work, *arguments)
    except ThreadsMlError:
        raise
    except (PermissionError, NotImplementedError) as error:
        raise ConfigurationError(f"ARTEFACT_URL cannot be used: {error or 'it can only be read'}") from error
    except TimeoutError as error:
        raise ArchiveUnavailable("the store that ARTEFACT_URL names does not answer in time") from error
    except Exception as error:  # each client library has errors of its own
        raise _away(error) from error


def _away(error: Exception) -> ArchiveUnavailable:
    reason = " ".join(str(error).split()) or type(error).__name__
    return ArchiveUnavailable(f"the store that ARTEFACT_URL names does not answer: {reason}")
