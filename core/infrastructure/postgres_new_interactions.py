"""New rows of the app's table, found by the transactions that wrote them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from core.application.ports.new_interactions import Reading
from core.domain.interaction import InteractionType
from core.domain.user_change import SEEN_AT_MOST, UserChange
from core.infrastructure.marked_changes import marking
from core.infrastructure.postgres_pool import Connection, Pool, transaction
from core.infrastructure.row_transactions import transaction_of_row

OVERLAP_SECONDS = 60.0
JUST_READ_SECONDS = 0.05
TOLD_AT_MOST = 20_000
LONGEST_READ_SECONDS = 600.0
AFTER_A_JUMP = timedelta(days=1)
_KNOWN_TYPES = [kind.value for kind in InteractionType]

# The oldest transaction that is still open is looked up before any row is: one that ends in between is seen, or its
# rows are. One that only reads, a backup say, counts for an hour at the most. When a prepared one began is not told:
# while there is one the floor stays where it was.
_TURN = """
    select floor, least(
        now(),
        (
            select min(greatest(xact_start, case when backend_xid is null then now() - interval '1 hour' end))
            from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        ),
        (select floor where exists (select from pg_prepared_xacts where database = current_database()))
    ) as next_floor
    from interaction_watermark
    where id = 1 and read_at not between now() - $1::interval and now()
    for update skip locked
"""
_UNMARKED = """
    select distinct user_id from unread
    where not exists (select from accepted_batch as own where own.transaction = unread.transaction)
"""
# A row's xmin is the transaction, or the part of one, that wrote it. All before the watermark's were over when that was
# set: their rows have been read. Of those from there on the ones that have been read are known by name, also parts of
# transactions, of which a snapshot cannot say whether they are over. A watermark beyond the next one to be given out
# comes from another server, by a backup.
_READ = f"""
    with moment as materialized (
        select pg_snapshot_xmin(pg_current_snapshot()) as all_before,
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next
    ),
    written as materialized (
        select user_id, post_id, created_at,
            {transaction_of_row("next")} as transaction
        from user_interaction, moment
        where created_at >= $1::timestamptz and interaction_type = any($2)
            and user_id is not null and post_id is not null
    ),
    unread as materialized (
        select user_id, post_id, created_at, transaction from written, moment, interaction_watermark as watermark
        where (transaction >= watermark.all_before or watermark.all_before::text::bigint > next)
            and not exists (select from read_transaction as known where known.transaction = written.transaction)
    ),
    batch as materialized (
        select transaction, user_ids from accepted_batch as accepted
        where not exists (select from read_transaction as known where known.transaction = accepted.transaction)
    ),
    marked as (
        {marking(_UNMARKED)}
    ),
    remembered as (
        insert into read_transaction
        select transaction from unread, moment where transaction >= moment.all_before
        union select transaction from batch, moment where transaction >= moment.all_before
    ),
    forgotten as (delete from read_transaction using moment where transaction < moment.all_before),
    purged as (delete from accepted_batch using moment where transaction < moment.all_before),
    moved as (
        update interaction_watermark set all_before = moment.all_before, floor = $3::timestamptz, read_at = now()
        from moment
    ),
    told as (
        select user_id, (array_agg(post_id order by created_at desc, post_id))[:$4] as post_ids,
            extract(epoch from clock_timestamp() - max(created_at)::timestamptz)::float8 as lag
        from unread
        where (select count(*) from unread) <= $5 group by user_id
    )
    select user_id, post_ids, lag, null::bigint as sequence from told
    union all select user_id, null, null, sequence from marked
    union all select user_id, null, null, null from batch, unnest(user_ids) as user_id
    union all select null, null, null, count(*) from unread
"""  # noqa: S608 - statements of this code alone
# Joined to what was read it would be by loops in loops: nobody has counted the rows of a part of a statement.
_SEQUENCES = "select user_id, sequence from user_change where user_id = any($1::uuid[])"


class PostgresNewInteractions:
    """The watermark's row is the turn: who holds it reads, and moves it in the same transaction."""

    def __init__(
        self, pool: Pool, overlap_seconds: float = OVERLAP_SECONDS, just_read_seconds: float = JUST_READ_SECONDS
    ) -> None:
        """overlap_seconds: by how much a row's time may lie before the beginning of its transaction."""
        self._pool = pool
        self._overlap = timedelta(seconds=overlap_seconds)
        self._just_read = timedelta(seconds=just_read_seconds)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading | None]:
        """Rows of all types that are known here."""
        async with transaction(self._pool) as connection:
            turn = await connection.fetchrow(_TURN, self._just_read)
            if turn is None:
                yield None
                return
            arguments = (self._since(**turn), _KNOWN_TYPES, turn["next_floor"], SEEN_AT_MOST, TOLD_AT_MOST)
            rows = await connection.fetch(_READ, *arguments, timeout=LONGEST_READ_SECONDS)
            yield await _reading(connection, rows)

    def _since(self, floor: datetime, next_floor: datetime) -> datetime:
        """Where the clock was set back, times from before the floor count as well: nobody knows by how much."""
        return (floor if floor <= next_floor else next_floor - AFTER_A_JUMP) - self._overlap


async def _reading(connection: Connection, rows: Sequence[Any]) -> Reading:
    """Rows tell of posts, of marks, of who marked their users themselves, and, without a user, how many were read."""
    unread = next(row["sequence"] for row in rows if row["user_id"] is None)
    if unread > TOLD_AT_MOST:
        return Reading([], is_whole=False)
    marked = {row["user_id"]: row["sequence"] for row in rows if row["user_id"] and row["sequence"] is not None}
    posts = {row["user_id"]: row["post_ids"] for row in rows if row["post_ids"] is not None}
    users = {row["user_id"] for row in rows if row["user_id"]}
    own = await connection.fetch(_SEQUENCES, list(users - marked.keys())) if users - marked.keys() else []
    sequences = marked | {row["user_id"]: row["sequence"] for row in own}
    return Reading(
        [UserChange(user_id, sequences[user_id], posts.get(user_id, ())) for user_id in users],
        lags_seconds=[row["lag"] for row in rows if row["lag"] is not None and row["user_id"] in marked],
    )
