"""Active users, read through a server-side cursor."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from core.domain.interaction import InteractionType
from core.infrastructure.postgres_pool import Pool, transaction

BATCH = 1000
TIMEOUT_SECONDS = 120.0

_ACTIVE = """
    select user_id from user_interaction where interaction_type = any($1) and user_id is not null
        and post_id is not null and created_at is not null and ($4::uuid is null or user_id > $4)
    group by user_id
    having count(distinct post_id) >= $2 and ($3::int is null or max(created_at) >= (
        select least(now() at time zone 'utc', max(created_at)) - make_interval(days => $3) from user_interaction
    ))
    order by user_id
"""


class PostgresActiveUsers:
    """Each user comes once; the cursor's snapshot is one moment."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def batches(
        self, within_days: int | None, min_posts: int, after: UUID | None = None
    ) -> AsyncIterator[Sequence[UUID]]:
        """Up to a thousand users at a time; the connection is held until the last or until the iterator is closed."""
        kinds = [kind.value for kind in InteractionType]
        async with transaction(self._pool) as connection:
            cursor = await connection.cursor(_ACTIVE, kinds, min_posts, within_days, after, timeout=TIMEOUT_SECONDS)
            while rows := await cursor.fetch(BATCH, timeout=TIMEOUT_SECONDS):
                yield [row["user_id"] for row in rows]
