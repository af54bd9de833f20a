"""Active users, read through a server-side cursor."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from core.domain.interaction import InteractionType
from core.infrastructure.postgres_pool import Pool, snapshot

BATCH = 1000
_ACTIVE = """
    select user_id from user_interaction where interaction_type = any($1)
    group by user_id
    having count(distinct post_id) >= $2 and ($3::int is null or max(created_at) >= (
        select least(now() at time zone 'utc', max(created_at)) - make_interval(days => $3) from user_interaction
    ))
"""


class PostgresActiveUsers:
    """The most recently active are not first: no order is promised, so that nothing need be sorted."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def batches(self, within_days: int | None, min_posts: int) -> AsyncIterator[Sequence[UUID]]:
        """Up to a thousand users at a time."""
        types = [kind.value for kind in InteractionType]
        async with snapshot(self._pool) as connection:
            cursor = await connection.cursor(_ACTIVE, types, min_posts, within_days)
            while rows := await cursor.fetch(BATCH):
                yield [row["user_id"] for row in rows]
