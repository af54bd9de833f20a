"""How far the changes of users have got, in Postgres."""

from uuid import UUID

from core.application.ports.user_sequences import LatestSequence
from core.infrastructure.postgres_pool import Pool, borrowed

_LATEST = """
    select coalesce((select sequence from user_change where user_id = $1), 0) as of_user,
        coalesce(pg_sequence_last_value('interaction_sequence'::regclass), 0) as of_all
"""


class PostgresUserSequences:
    """By the key, and from the sequence itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def latest(self, user_id: UUID) -> LatestSequence:
        """One query."""
        async with borrowed(self._pool) as connection:
            return LatestSequence(**await connection.fetchrow(_LATEST, user_id))
