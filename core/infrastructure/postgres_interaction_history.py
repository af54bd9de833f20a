"""One user's interactions, read from Postgres at the moment they are needed."""

from datetime import UTC, datetime
from uuid import UUID

from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType
from core.infrastructure.postgres_pool import Pool, borrowed

_KNOWN_TYPES = [kind.value for kind in InteractionType]
# An adopted table may allow nulls where ours does not.
_COUNT = """
    select count(*) from (
        select distinct post_id from user_interaction
        where user_id = $1 and interaction_type = any($2) and post_id is not null and created_at is not null
        limit $3
    ) as posts
"""
# One statement is one snapshot. A naive time cast to timestamptz is UTC, the zone of every session of the pool.
_READ = """
    with history as materialized (
        select post_id, interaction_type, created_at::timestamptz as created_at,
            row_number() over (order by created_at, id) as place
        from user_interaction
        where user_id = $1 and interaction_type = any($2) and post_id is not null and created_at is not null
    )
    select nextval('feed_generation') as generation, (select epoch from serving) as epoch,
        least(now(), (select max(created_at)::timestamptz from user_interaction)) as data_now,
        coalesce((select sequence from user_change where user_id = $1), 0) as sequence,
        array(select post_id from history order by place) as post_ids,
        array(select interaction_type::text from history order by place) as types,
        array(select created_at from history order by place) as moments
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
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_READ, user_id, _KNOWN_TYPES)
        acts = zip(row["post_ids"], row["types"], row["moments"], strict=True)
        return History(
            user_id=user_id,
            interactions=tuple(
                Interaction(user_id, post_id, InteractionType(kind), moment) for post_id, kind, moment in acts
            ),
            generation=row["generation"],
            data_now=row["data_now"],
            epoch=row["epoch"],
            sequence=row["sequence"],
        )


def as_aware(moment: datetime) -> datetime:
    """Naive times in the database are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
