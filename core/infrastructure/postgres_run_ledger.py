"""Runs and their chunks in Postgres."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from core.domain.errors import RunActive, RunTakenOver
from core.domain.feed import Feed
from core.domain.run import Chunk, Run, RunCounts, RunKind, RunRequest, RunState, SetAside, chunk_id_of, halves
from core.infrastructure.postgres_feed_archive import put_feeds
from core.infrastructure.postgres_pool import Connection, Pool, borrowed, transaction

TIMEOUT_SECONDS = 60.0
SETTLED_AT_ONCE = 20_000
# Any numbers that nobody else in the database locks.
BEGIN_LOCK, SWEEP_LOCK = 7_021_003, 7_021_004

_COUNTED = """
    select run.*, counts.* from run, lateral (
        select coalesce(sum(stored), 0) as stored, coalesce(sum(kept), 0) as kept,
            coalesce(sum(without_feed), 0) as without_feed, count(*) filter (where state = 'set_aside') as set_aside
        from run_chunk where run_id = run.id
    ) as counts
"""
_FIND = f"{_COUNTED} where id = $1"
_LATEST = f"{_COUNTED} order by started_at desc, id limit $1"
_ACTIVE = f"{_COUNTED} where run.state = 'running' and ($1::text is null or kind = $1) order by started_at, id"
# The sequence's last number before the run draws any: before the first draw it is what will be given next.
_BEGIN = """
    insert into run (id, kind, request, started_by, state, started_at, tended_at, after_generation)
    select $1, $2, $3, $4, 'running', now(), now(), case when is_called then last_value else 0 end from feed_generation
"""
_CANCEL = "update run set state = 'cancelled', finished_at = now() where id = $1 and state = 'running' returning true"
_ADVANCE = """
    update run set users = users + $2, enumerated_up_to = coalesce($3, enumerated_up_to), is_enumerated = $4,
        tended_at = now()
    where id = $1 and state = 'running' and not is_enumerated and enumerated_up_to is not distinct from $5
    returning true
"""
_ADD = """
    insert into run_chunk (id, run_id, user_ids, state)
    select ($3::uuid[])[1 + (place - 1) / $4], $1, array_agg(user_id order by place), 'open'
    from unnest($2::uuid[]) with ordinality as listed (user_id, place) group by (place - 1) / $4
"""
_TAKE = """
    with tended as (
        update run set tended_at = case when $2::timestamptz is null then now() else tended_at end
        where id = $1 and state = 'running' returning id
    ),
    taken as (
        select id from run_chunk
        where run_id = (select id from tended) and state = 'open'
            and (enqueued_at is null or enqueued_at < $2::timestamptz)
        order by enqueued_at nulls first limit $3 for update skip locked
    )
    update run_chunk set enqueued_at = now(), attempts = attempts + $4
    from taken where run_chunk.id = taken.id
    returning run_chunk.id, run_id, user_ids, attempts
"""
_TEND = "update run set tended_at = now() where id = $1 and state = 'running'"
_EXHAUSTED = """
    select id, run_id, user_ids, attempts from run_chunk
    where run_id = $1 and state = 'open' and enqueued_at < $2 and attempts >= $3 order by enqueued_at limit $4
"""
_BEGIN_CHUNK = """
    update run_chunk set attempts = attempts + 1, started_at = now()
    from run where run_chunk.id = $1 and run_chunk.state = 'open' and run.id = run_id and run.state = 'running'
    returning run_chunk.id, run_id, user_ids, attempts
"""
_HAND_BACK = """
    update run_chunk set attempts = attempts - 1 where id = any($1::uuid[]) and state = 'open' and attempts > 0
"""
_LOCK_CHUNK = "select true from run_chunk where id = $1 and state = 'open' for update"
_FINISH_CHUNK = """
    update run_chunk set state = 'done', finished_at = now(), stored = $2, kept = $3, without_feed = $4, error = null
    where id = $1
"""
_LEAVE_OUT = """
    update run_chunk set state = 'done', finished_at = now(), without_feed = 1 where id = $1 and state = 'open'
"""
_END_CHUNK = """
    update run_chunk set state = $2, finished_at = now(), error = $3 where id = $1 and state = 'open' returning true
"""
_ADD_HALF = "insert into run_chunk (id, run_id, user_ids, state, enqueued_at) values ($1, $2, $3, 'open', now())"
_SET_ASIDE = """
    select user_ids[1] as user_id, error from run_chunk where run_id = $1 and state = 'set_aside' order by user_ids[1]
"""
# Plans are kept: made for few chunks, one that joins them to themselves would take the square of many.
_SETTLE_USERS = """
    update run_chunk set state = 'done', finished_at = now(), stored = 1
    where state = 'open' and id = any(array(
        select looked_at.id from (
            select id, user_ids[1] as user_id from run_chunk
            where run_id = $1 and state = 'open' and (select request->>'chunk_size' from run where id = $1) = '1'
            order by enqueued_at limit $2
        ) as looked_at
        join feed on feed.user_id = looked_at.user_id
        where feed.generation > (select after_generation from run where id = $1)
    ))
"""
# In a statement of its own, after the chunks': of two that end at once the later one sees both.
_COMPLETE = """
    update run set finished_at = now(), state = case
        when exists (select from run_chunk where run_id = $1 and state = 'set_aside') then 'completed_with_failures'
        else 'completed' end
    where id = $1 and state = 'running' and is_enumerated
        and not exists (select from run_chunk where run_id = $1 and state = 'open')
"""
_IS_OVER = "select state <> 'running' from run where id = $1"
_IS_CANCELLED = "select state = 'cancelled' from run where id = $1"
# A run that was left alone for an hour, or waited for a worker to start, tells little of how fast it can be.
_SPEED = f"""
    select max((stored + kept) / greatest(extract(epoch from finished_at - started_at), 0.001))::float8 from (
        {_COUNTED} where finished_at is not null and state <> 'cancelled' and stored + kept > 0
        order by finished_at desc limit 10
    ) as latest
"""  # noqa: S608 - statements of this code alone
_COUNT_ENDED = "select count(*) from run where finished_at < $1"
_REMOVE_ENDED = """
    delete from run where id = any(array(select id from run where finished_at < $1 order by finished_at limit $2))
    returning id
"""
_IS_UNTENDED = "select tended_at < $2 from run where id = $1"


class PostgresRunLedger:
    """What chunks count is added up when somebody asks: no row is written to by all workers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin_run(
        self,
        request: RunRequest,
        started_by: str,
        user_ids: Sequence[UUID] | None = None,
        *,
        beside_others: bool = False,
    ) -> Run:
        """One at a time begins."""
        run_id = uuid4()
        async with transaction(self._pool) as connection:
            await connection.execute("select pg_advisory_xact_lock($1)", BEGIN_LOCK)
            others = await connection.fetch(_ACTIVE, request.kind.value)
            if others and not beside_others:
                raise RunActive(
                    f"run {others[0]['id']} is still active, begun by {others[0]['started_by']}: "
                    "wait, cancel it, or use --force"
                )
            await connection.execute(
                _BEGIN, run_id, request.kind.value, msgspec.to_builtins(request), started_by, timeout=TIMEOUT_SECONDS
            )
            run = _run_of(await connection.fetchrow(_FIND, run_id))
            return run if user_ids is None else await _add_users(connection, run, user_ids, None, is_last=True)

    async def find(self, run_id: UUID) -> Run | None:
        """The run with its counts."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_FIND, run_id, timeout=TIMEOUT_SECONDS)
        return None if row is None else _run_of(row)

    async def latest(self, count: int) -> Sequence[Run]:
        """The runs begun last."""
        async with borrowed(self._pool) as connection:
            return [_run_of(row) for row in await connection.fetch(_LATEST, count, timeout=TIMEOUT_SECONDS)]

    async def active(self, kind: RunKind | None = None) -> Sequence[Run]:
        """Runs that are not over."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_ACTIVE, kind.value if kind else None, timeout=TIMEOUT_SECONDS)
        return [_run_of(row) for row in rows]

    async def set_aside(self, run_id: UUID) -> Sequence[SetAside]:
        """Users who failed alone."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_SET_ASIDE, run_id, timeout=TIMEOUT_SECONDS)
        return [SetAside(row["user_id"], row["error"]) for row in rows]

    async def cancel(self, run_id: UUID) -> bool:
        """End the run."""
        async with borrowed(self._pool) as connection:
            return bool(await connection.fetchval(_CANCEL, run_id))

    async def add_users(
        self, run: Run, user_ids: Sequence[UUID], enumerated_up_to: UUID | None, *, is_last: bool
    ) -> Run:
        """The row of the run is where two who enumerate would meet."""
        async with transaction(self._pool) as connection:
            return await _add_users(connection, run, user_ids, enumerated_up_to, is_last=is_last)

    async def take_open(self, run: Run, enqueued_before: datetime | None, count: int) -> Sequence[Chunk]:
        """Those never enqueued come first."""
        attempt = int(run.request.chunk_size == 1)
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_TAKE, run.id, enqueued_before, count, attempt, timeout=TIMEOUT_SECONDS)
        return [_chunk_of(row) for row in rows]

    async def tend(self, run_id: UUID) -> None:
        """Renew the run's mark."""
        async with borrowed(self._pool) as connection:
            await connection.execute(_TEND, run_id)

    async def exhausted(self, run_id: UUID, enqueued_before: datetime, attempts: int, count: int) -> Sequence[Chunk]:
        """Open chunks that were tried often enough."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_EXHAUSTED, run_id, enqueued_before, attempts, count, timeout=TIMEOUT_SECONDS)
        return [_chunk_of(row) for row in rows]

    async def begin_chunk(self, chunk_id: UUID) -> Chunk | None:
        """The chunk, unless it or its run is over."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_BEGIN_CHUNK, chunk_id)
        return None if row is None else _chunk_of(row)

    async def hand_back(self, chunk_ids: Collection[UUID]) -> None:
        """One less."""
        async with borrowed(self._pool) as connection:
            await connection.execute(_HAND_BACK, list(chunk_ids))

    async def finish_chunk(self, chunk: Chunk, feeds: Sequence[Feed]) -> Sequence[Feed] | None:
        """Of two who have made the same chunk the later waits for the earlier, and leaves."""
        async with transaction(self._pool) as connection:
            if not await connection.fetchval(_LOCK_CHUNK, chunk.id):
                return None
            stored, _ = await put_feeds(connection, feeds)
            counts = len(stored), len(feeds) - len(stored), len(chunk.user_ids) - len(feeds)
            await connection.execute(_FINISH_CHUNK, chunk.id, *counts)
        return stored

    async def split(self, chunk: Chunk, error: str) -> Sequence[Chunk]:
        """One transaction: no user is in two open chunks, or in none."""
        is_alone = len(chunk.user_ids) == 1
        async with transaction(self._pool) as connection:
            if not await connection.fetchval(_END_CHUNK, chunk.id, "set_aside" if is_alone else "split", _text(error)):
                return []
            pieces = [] if is_alone else [Chunk(uuid4(), chunk.run_id, half) for half in halves(chunk.user_ids)]
            await _add_halves(connection, pieces)
        return pieces

    async def leave_out(self, run_id: UUID, user_id: UUID) -> None:
        """By the chunk's key: a run may have a million of them."""
        async with borrowed(self._pool) as connection:
            await connection.execute(_LEAVE_OUT, chunk_id_of(run_id, user_id))

    async def is_cancelled(self, run_id: UUID) -> bool:
        """What its row says."""
        async with borrowed(self._pool) as connection:
            return bool(await connection.fetchval(_IS_CANCELLED, run_id))

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[bool]:
        """Under an advisory lock that ends with the block's transaction, or with the connection."""
        async with transaction(self._pool) as connection:
            yield bool(await connection.fetchval("select pg_try_advisory_xact_lock($1)", SWEEP_LOCK))

    async def settle(self, run_id: UUID) -> bool:
        """Look at the feeds themselves: the messages of a web process tell no ledger."""
        async with borrowed(self._pool) as connection:
            await connection.execute(_SETTLE_USERS, run_id, SETTLED_AT_ONCE, timeout=TIMEOUT_SECONDS)
            await connection.execute(_COMPLETE, run_id, timeout=TIMEOUT_SECONDS)
            return bool(await connection.fetchval(_IS_OVER, run_id))

    async def count_ended(self, before: datetime) -> int:
        """Whatever became of them."""
        async with borrowed(self._pool) as connection:
            return int(await connection.fetchval(_COUNT_ENDED, before))

    async def remove_ended(self, before: datetime, at_most: int) -> int:
        """Chunks go with their run."""
        async with borrowed(self._pool) as connection:
            return len(await connection.fetch(_REMOVE_ENDED, before, at_most, timeout=TIMEOUT_SECONDS))

    async def speed(self) -> float | None:
        """Of the fastest of the last ten completed runs."""
        async with borrowed(self._pool) as connection:
            speed: float | None = await connection.fetchval(_SPEED)
        return speed

    async def is_untended(self, run_id: UUID, since: datetime) -> bool:
        """Whether the run's mark is older."""
        async with borrowed(self._pool) as connection:
            return bool(await connection.fetchval(_IS_UNTENDED, run_id, since))

    async def moment(self) -> datetime:
        """Of the server."""
        async with borrowed(self._pool) as connection:
            moment: datetime = await connection.fetchval("select now()")
        return moment


async def _add_users(
    connection: Connection, run: Run, user_ids: Sequence[UUID], enumerated_up_to: UUID | None, *, is_last: bool
) -> Run:
    advanced = (run.id, len(user_ids), enumerated_up_to, is_last, run.enumerated_up_to)
    if not await connection.fetchval(_ADVANCE, *advanced):
        raise RunTakenOver(f"run {run.id} is over, or goes on elsewhere: `threads-ml runs show {run.id}` tells")
    size = run.request.chunk_size
    chunk_ids = [chunk_id_of(run.id, first) for first in user_ids[::size]]
    await connection.execute(_ADD, run.id, user_ids, chunk_ids, size, timeout=TIMEOUT_SECONDS)
    return _run_of(await connection.fetchrow(_FIND, run.id, timeout=TIMEOUT_SECONDS))


async def _add_halves(connection: Connection, pieces: Sequence[Chunk]) -> None:
    await connection.executemany(_ADD_HALF, [(piece.id, piece.run_id, list(piece.user_ids)) for piece in pieces])


def _run_of(row: Any) -> Run:
    return Run(
        id=row["id"],
        request=msgspec.convert(row["request"], RunRequest),
        started_by=row["started_by"],
        started_at=row["started_at"],
        after_generation=row["after_generation"],
        state=RunState(row["state"]),
        finished_at=row["finished_at"],
        enumerated_up_to=row["enumerated_up_to"],
        is_enumerated=row["is_enumerated"],
        counts=RunCounts(row["users"], row["stored"], row["kept"], row["without_feed"], row["set_aside"]),
    )


def _chunk_of(row: Any) -> Chunk:
    return Chunk(row["id"], row["run_id"], row["user_ids"], row["attempts"])


def _text(error: str) -> str:
    return error.replace("\0", "�")  # which Postgres keeps out of text
