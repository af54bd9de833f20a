"""Due users, in Postgres."""

from collections.abc import Sequence
from uuid import UUID

from core.domain.levels import DueLevel
from core.infrastructure.postgres_pool import Pool, borrowed

COUNT_TIMEOUT_SECONDS = 10.0

_AMONG = "select user_id from user_change where user_id = any($1::uuid[]) and is_due"
_LEVEL = """
    select count(*) as users, min(changed_at) as oldest_changed_at,
        (select read_at from interaction_watermark) as read_at,
        (select coalesce(pg_sequence_last_value('interaction_sequence'::regclass), 0)) as sequence
    from user_change where is_due
"""


class PostgresDueUsers:
    """Marks are set by whoever records interactions, and ended by whoever archives feeds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def among(self, user_ids: Sequence[UUID]) -> set[UUID]:
        """By the key, in one query."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_AMONG, user_ids)
        return {row["user_id"] for row in rows}

    async def level(self) -> DueLevel:
        """By the index of due users."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_LEVEL, timeout=COUNT_TIMEOUT_SECONDS)
        return DueLevel(row["users"], row["oldest_changed_at"], row["read_at"], row["sequence"])
