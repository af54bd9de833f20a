"""What Postgres says of the service's data."""

from core.application.ports.service_facts import InteractionFacts
from core.infrastructure.postgres_interaction_history import as_aware
from core.infrastructure.postgres_pool import Pool, borrowed

_INTERACTIONS = """
    select count(*) as count, count(distinct user_id) as users, count(distinct post_id) as posts,
        min(created_at) as first_at, max(created_at) as last_at
    from user_interaction
"""
_BUSIEST = """
    select coalesce(text, user_id::text) from (
        select user_id from user_interaction group by user_id order by count(*) desc, user_id limit 1
    ) as busiest left join external_id on id = user_id
"""


class PostgresServiceFacts:
    """Exact counts: an operator asks seldom."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def schema_revision(self) -> str | None:
        """The migration that the schema is at."""
        async with borrowed(self._pool) as connection:
            if await connection.fetchval("select to_regclass('threads_ml_alembic_version')") is None:
                return None
            revision: str | None = await connection.fetchval("select version_num from threads_ml_alembic_version")
            return revision

    async def interactions(self) -> InteractionFacts:
        """Size and range of the interactions."""
        async with borrowed(self._pool) as connection:
            row = dict(await connection.fetchrow(_INTERACTIONS))
        moments = {name: row[name] and as_aware(row[name]) for name in ("first_at", "last_at")}
        return InteractionFacts(**{**row, **moments})

    async def busiest_user(self) -> str | None:
        """The id of the user with the most interactions."""
        async with borrowed(self._pool) as connection:
            user: str | None = await connection.fetchval(_BUSIEST)
            return user
