"""The bytes of models in Postgres, in chunks, with a copy on the local disk."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Collection, Iterator
from pathlib import Path

from core.domain.errors import ArtefactRefused
from core.infrastructure.artefact_cache import ArtefactCache, identity_of
from core.infrastructure.postgres_pool import Connection, Pool, borrowed, transaction

CHUNK_BYTES = 2 * 1024 * 1024
CHUNK_TIMEOUT_SECONDS = 60.0

_LOCK = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
_IS_STORED = "select exists (select from model_artefact where sha256 = $1)"
_ADD_CHUNK = "insert into model_artefact (sha256, ordinal, bytes) values ($1, $2, $3)"
_CHUNKS = "select bytes from model_artefact where sha256 = $1 order by ordinal"
_STRAYS = "select distinct sha256 from model_artefact where sha256 <> all($1::text[])"
# Whoever has registered a model of these bytes meanwhile finds out after this, and stores them again.
_REMOVE = """
    delete from model_artefact
    where sha256 = $1 and not exists (select from model where model.sha256 = $1 and pruned_at is null)
    returning octet_length(bytes)
"""


class PostgresArtefactStore:
    """Several machines without a shared disk use the same models; each keeps those it uses under `cache_dir`."""

    def __init__(self, pool: Pool, cache_dir: Path) -> None:
        self._pool = pool
        self._cache = ArtefactCache(cache_dir, "in Postgres, where they lie unless ARTEFACT_URL is set")

    async def put(self, path: Path) -> tuple[str, int]:
        """Store the file's bytes, unless they are there; all or none of them, and none but those with that sha256."""
        sha256, size_bytes = await asyncio.to_thread(identity_of, path)
        async with transaction(self._pool) as connection:
            await connection.execute(_LOCK, sha256, timeout=CHUNK_TIMEOUT_SECONDS)
            if not await connection.fetchval(_IS_STORED, sha256):
                await _send(connection, path, sha256)
        return sha256, size_bytes

    async def fetch(self, sha256: str) -> Path:
        """A local file with exactly these bytes; a damaged one is replaced."""
        return await self._cache.fetch(sha256, lambda: self._stored_chunks(sha256))

    async def remove(self, sha256: str) -> None:
        """Delete the chunks, unless a model names them by now, and the copy under `cache_dir`.

        Other machines forget theirs when their disk is wiped.
        """
        await self._remove(sha256)

    async def remove_strays(self, named: Collection[str]) -> int:
        """Delete the others' chunks: the registry beside them is the only one to name them."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_STRAYS, list(named), timeout=CHUNK_TIMEOUT_SECONDS)
        return sum([await self._remove(row["sha256"]) for row in rows])

    async def _remove(self, sha256: str) -> int:
        """The bytes that went."""
        async with transaction(self._pool) as connection:
            await connection.execute(_LOCK, sha256, timeout=CHUNK_TIMEOUT_SECONDS)
            rows = await connection.fetch(_REMOVE, sha256, timeout=CHUNK_TIMEOUT_SECONDS)
        await self._cache.forget(sha256)
        return sum(row["octet_length"] for row in rows)

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


def _chunks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
