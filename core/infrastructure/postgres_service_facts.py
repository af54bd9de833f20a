"""What Postgres says of the service's rows."""

from core.application.ports.service_facts import InteractionFacts
from core.infrastructure.postgres_interaction_history import as_aware
from core.infrastructure.postgres_pool import Pool, borrowed

TIMEOUT_SECONDS = 30.0

_INTERACTIONS = """
    select count(*) as count, count(distinct user_id) as users, count(distinct post_id) as posts,
        min(created_at) as first_at, max(created_at) as last_at
    from user_interaction
"""
_BUSIEST = """
    select coalesce(text, user_id::text) from (
        select user_id from user_interaction where user_id is not null
        group by user_id order by count(*) desc, user_id limit 1
    ) as busiest left join external_id on id = user_id
"""


class PostgresServiceFacts:
    """Exact counts: an operator asks seldom, and waits for a bounded time."""

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
            row = await connection.fetchrow(_INTERACTIONS, timeout=TIMEOUT_SECONDS)
        first_at, last_at = row["first_at"], row["last_at"]
        return InteractionFacts(
            count=row["count"],
            users=row["users"],
            posts=row["posts"],
            first_at=first_at and as_aware(first_at),
            last_at=last_at and as_aware(last_at),
        )

    async def busiest_user(self) -> str | None:
        """The id of the user with the most interactions."""
        async with borrowed(self._pool) as connection:
            user: str | None = await connection.fetchval(_BUSIEST, timeout=TIMEOUT_SECONDS)
            return user
