"""Users of rows whose times are too old for whoever reads on, found by the transactions that wrote them."""

from asyncpg import QueryCanceledError

from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import InteractionType
from core.infrastructure.marked_changes import marking
from core.infrastructure.postgres_pool import Connection, Pool, transaction
from core.infrastructure.row_transactions import transaction_of_row

PAUSE_SECONDS = 60.0
REST_SHARE = 99
"""Going through all rows takes a hundredth of the time of one of Postgres's processes, however many there are."""
LONGEST_READ_SECONDS = 3600.0
_KNOWN_TYPES = [kind.value for kind in InteractionType]

# A clock that was set back must not have it wait for what it said before.
_TURN = """
    select all_before::text::bigint from late_interaction_watermark
    where id = 1 and next_at not between now() and now() + interval '1 day'
    for update skip locked
"""
# A feed that was stored before a row's transaction had a number cannot know of the row. Who is due gets a new one
# anyway, and who has none gets one that knows of everything. A watermark beyond the next number comes from another
# server.
_OF_ROW = transaction_of_row("moment.next") + "::text::bigint"
_FORGOTTEN = f"""
    select written.user_id from (
        select user_id, max({_OF_ROW}) as transaction from user_interaction, moment
        where ({_OF_ROW} >= $1 or $1 > moment.next) and interaction_type = any($2)
            and user_id is not null and post_id is not null
        group by user_id
    ) as written
    join lateral (
        select {_OF_ROW} as stored_by from feed, moment where feed.user_id = written.user_id
    ) as known on stored_by < written.transaction
    where not exists (select from user_change as change where change.user_id = written.user_id and change.is_due)
"""  # noqa: S608 - statements of this code alone
_MARK = f"""
    with moment as materialized (
        select pg_snapshot_xmin(pg_current_snapshot()) as all_before,
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next
    ),
    marked as (
        {marking(_FORGOTTEN)}
    ),
    moved as (update late_interaction_watermark set all_before = moment.all_before from moment)
    select count(*) from marked
"""  # noqa: S608 - the same
_REST = f"""
    update late_interaction_watermark set next_at = clock_timestamp()
        + greatest(interval '{PAUSE_SECONDS} seconds', {REST_SHARE} * (clock_timestamp() - now()))
"""  # noqa: S608 - made of constants


class PostgresLateInteractions:
    """Goes through all rows, as there is no index by transactions: rarely, and one process at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def mark_forgotten(self) -> int:
        """Mark users due whose stored feed cannot know of what was written for them since the last time; how many.

        0 where it is not yet time, or another process is at it. Raises ArchiveUnavailable.
        """
        async with transaction(self._pool) as connection:
            all_before = await connection.fetchval(_TURN)
            if all_before is None:
                return 0
            marked = await _marked(connection, all_before)
            await connection.execute(_REST)
        if isinstance(marked, Exception):
            raise ArchiveUnavailable("looking for late interactions took longer than it may") from marked
        return marked


async def _marked(connection: Connection, all_before: int) -> int | Exception:
    """In a part of the transaction: one that is cancelled, as roles have limits, has its rest as well."""
    try:
        async with connection.transaction():
            count: int = await connection.fetchval(_MARK, all_before, _KNOWN_TYPES, timeout=LONGEST_READ_SECONDS)
    except (TimeoutError, QueryCanceledError) as error:
        return error
    return count
