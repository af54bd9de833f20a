"""The bytes of models in Postgres, in chunks, with a copy on the local disk."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core.domain.errors import ArtefactRefused
from core.infrastructure.postgres_pool import Pool, snapshot, transaction

CHUNK_BYTES = 2 * 1024 * 1024


class PostgresArtefactStore:
    """Several machines without a shared disk use the same models; each keeps those it uses under `cache_dir`."""

    def __init__(self, pool: Pool, cache_dir: Path) -> None:
        self._pool = pool
        self._cache_dir = cache_dir

    async def put(self, path: Path) -> tuple[str, int]:
        """Store the file's bytes, unless they are there."""
        sha256 = await asyncio.to_thread(sha256_of, path)
        async with transaction(self._pool) as connection:
            await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", sha256)
            if not await connection.fetchval("select exists (select from model_artefact where sha256 = $1)", sha256):
                for ordinal, chunk in enumerate(_chunks(path)):
                    await connection.execute("insert into model_artefact values ($1, $2, $3)", sha256, ordinal, chunk)
        return sha256, path.stat().st_size

    async def fetch(self, sha256: str) -> Path:
        """A local file with exactly these bytes."""
        path = self._cache_dir / f"{sha256}.joblib"
        if not path.is_file() or await asyncio.to_thread(sha256_of, path) != sha256:
            await self._download(sha256, path)
        return path

    async def _download(self, sha256: str, path: Path) -> None:
        """Readers see the whole file or none: it gets its name only when it is complete and right."""
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=self._cache_dir, prefix=".partial-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                digest = hashlib.sha256()
                async with snapshot(self._pool) as connection:
                    query = "select bytes from model_artefact where sha256 = $1 order by ordinal"
                    async for row in connection.cursor(query, sha256, prefetch=2):
                        digest.update(row["bytes"])
                        file.write(row["bytes"])
                file.flush()
                os.fsync(file.fileno())
            if digest.hexdigest() != sha256:
                raise ArtefactRefused(f"the stored bytes of the model are missing or damaged (sha256 {sha256[:12]}…)")
            Path(partial).replace(path)
        finally:
            Path(partial).unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The digest of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
