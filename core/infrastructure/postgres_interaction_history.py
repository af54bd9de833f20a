"""One user's interactions, read from Postgres at the moment they are needed."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType
from core.infrastructure.postgres_pool import Pool, borrowed, snapshot

_KNOWN_TYPES = [kind.value for kind in InteractionType]
_COUNT = """
    select count(*) from (
        select distinct post_id from user_interaction where user_id = $1 and interaction_type = any($2) limit $3
    ) as posts
"""
_HISTORY = """
    select post_id, interaction_type, created_at from user_interaction
    where user_id = $1 and interaction_type = any($2) order by created_at, id
"""
_STAMP = """
    select nextval('feed_generation') as generation,
        least(now(), coalesce((select max(created_at)::timestamptz from user_interaction), now())) as data_now
"""


class PostgresInteractionHistory:
    """Interactions of types nobody knows here are the app's own business and left out."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def count_posts(self, user_id: UUID, at_most: int) -> int:
        """Distinct posts of the user, counting no further than `at_most`."""
        async with borrowed(self._pool) as connection:
            return int(await connection.fetchval(_COUNT, user_id, _KNOWN_TYPES, at_most))

    async def read(self, user_id: UUID) -> History:
        """The whole history in one snapshot."""
        async with snapshot(self._pool) as connection:
            rows = await connection.fetch(_HISTORY, user_id, _KNOWN_TYPES)
            stamp = await connection.fetchrow(_STAMP)
        interactions = tuple(_interaction_of(user_id, row) for row in rows)
        return History(user_id, interactions, stamp["generation"], stamp["data_now"])


def _interaction_of(user_id: UUID, row: Any) -> Interaction:
    kind = InteractionType(row["interaction_type"])
    return Interaction(user_id, row["post_id"], kind, as_aware(row["created_at"]))


def as_aware(moment: datetime) -> datetime:
    """Naive times in the database are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
