"""The texts of ids, kept in Postgres."""

from collections.abc import Collection, Mapping
from uuid import UUID

from core.infrastructure.postgres_pool import Pool, borrowed

_TEXTS = "select id, text from external_id where id = any($1::uuid[])"


class PostgresExternalIds:
    """Written by whoever brings interactions in, read here."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def texts_of(self, ids: Collection[UUID]) -> Mapping[UUID, str]:
        """The text of each of these ids that has one."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_TEXTS, list(ids))
        return {row["id"]: row["text"] for row in rows}
