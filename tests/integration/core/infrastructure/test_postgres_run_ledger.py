"""The ledger's promises, kept by the fake and by Postgres; and what only Postgres can show."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from core.application.ports.feed_archive import FeedArchive
from core.application.ports.run_ledger import RunLedger
from core.domain.errors import ArchiveUnavailable, RunActive, RunTakenOver
from core.domain.feed import Feed, FeedOrder, Reason, Recommendation
from core.domain.run import Run, RunCounts, RunKind, RunRequest, RunState, SetAside
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_run_ledger import PostgresRunLedger
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.run_ledger import FakeRunLedger
from tests.integration.core.infrastructure.postgres_rows import post, user

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
REQUEST = RunRequest(within_days=30, limit=1000, chunk_size=2, model_version="collaborative_filtering_v1")
NAMED = RunRequest(RunKind.NAMED_USERS, chunk_size=2)
USERS = [user(number) for number in range(1, 6)]


@dataclass(frozen=True)
class World:
    ledger: RunLedger
    archive: FeedArchive


@pytest.fixture
async def world(url: str | None) -> AsyncIterator[World]:
    if url is None:
        archive = FakeFeedArchive()
        yield World(FakeRunLedger(archive), archive)
        return
    async with open_pool(url) as pool:
        yield World(PostgresRunLedger(pool), PostgresFeedArchive(pool))


@pytest.fixture
def ledger(world: World) -> RunLedger:
    return world.ledger


def feeds_of(user_ids: Sequence[UUID], generation: int = 1) -> list[Feed]:
    return [
        Feed(
            user_id,
            (
                Recommendation(post(1), 1.0, Reason.COLLABORATIVE_FILTERING),
                Recommendation(post(2), 0.5, Reason.POPULAR),
            ),
            "collaborative_filtering_v1",
            FeedOrder(1, generation),
            NOW,
            NOW + timedelta(hours=24),
            NOW - timedelta(hours=1),
        )
        for user_id in user_ids
    ]


async def found(ledger: RunLedger, run: Run) -> Run:
    seen = await ledger.find(run.id)
    assert seen is not None
    return seen


async def test_a_run_that_was_never_begun_is_not_found(ledger: RunLedger) -> None:
    assert await ledger.find(uuid4()) is None
    assert await ledger.latest(10) == []
    assert await ledger.speed() is None


async def test_a_run_is_found_as_it_was_asked_for(ledger: RunLedger) -> None:
    run = await ledger.begin_run(REQUEST, "anna")

    assert (run.request, run.started_by, run.state) == (REQUEST, "anna", RunState.RUNNING)
    assert not run.is_enumerated
    assert await ledger.find(run.id) == run
    assert await ledger.active() == [run]


async def test_a_second_run_of_the_kind_is_refused_naming_the_first_and_may_be_forced(ledger: RunLedger) -> None:
    first = await ledger.begin_run(REQUEST, "anna")

    with pytest.raises(RunActive, match=f"run {first.id} is still active, begun by anna"):
        await ledger.begin_run(REQUEST, "ben")
    other_kind = await ledger.begin_run(NAMED, "ben", USERS)
    forced = await ledger.begin_run(REQUEST, "ben", beside_others=True)

    assert {run.id for run in await ledger.active()} == {first.id, other_kind.id, forced.id}
    assert [run.id for run in await ledger.active(RunKind.NAMED_USERS)] == [other_kind.id]
    assert [run.id for run in await ledger.latest(2)] == [forced.id, other_kind.id]


async def test_named_users_are_all_there_at_once(ledger: RunLedger) -> None:
    run = await ledger.begin_run(NAMED, "anna", USERS)

    chunks = await ledger.take_open(run, None, 10)

    assert run.is_enumerated
    assert run.counts == RunCounts(users=5)
    assert sorted(tuple(chunk.user_ids) for chunk in chunks) == [(user(1), user(2)), (user(3), user(4)), (user(5),)]


async def test_an_enumeration_goes_on_where_it_was_left_and_only_once(ledger: RunLedger) -> None:
    begun = await ledger.begin_run(REQUEST, "anna")
    half = await ledger.add_users(begun, USERS[:2], USERS[1], is_last=False)

    with pytest.raises(RunTakenOver, match=str(begun.id)):
        await ledger.add_users(begun, USERS[:2], USERS[1], is_last=False)
    whole = await ledger.add_users(half, USERS[2:], USERS[-1], is_last=True)
    with pytest.raises(RunTakenOver):
        await ledger.add_users(whole, [], None, is_last=True)

    assert (half.enumerated_up_to, half.is_enumerated, half.counts.users) == (USERS[1], False, 2)
    assert (whole.enumerated_up_to, whole.is_enumerated, whole.counts.users) == (USERS[-1], True, 5)


async def test_open_chunks_are_taken_once_and_again_when_they_are_overdue(ledger: RunLedger) -> None:
    run = await ledger.begin_run(NAMED, "anna", USERS)

    first, second = await ledger.take_open(run, None, 2), await ledger.take_open(run, None, 2)
    before = await ledger.moment()
    overdue = await ledger.take_open(run, before, 10)
    again = await ledger.take_open(run, before, 10)

    assert (len(first), len(second)) == (2, 1)
    assert {chunk.id for chunk in overdue} == {chunk.id for chunk in [*first, *second]}
    assert again == []


async def test_a_chunk_is_counted_once_and_stores_feeds_that_are_newer(world: World) -> None:
    run = await world.ledger.begin_run(replace(NAMED, chunk_size=3), "anna", USERS[:3])
    (newer,) = feeds_of([user(2)], generation=9)
    await world.archive.put(newer)
    (taken,) = await world.ledger.take_open(run, None, 10)
    chunk = await world.ledger.begin_chunk(taken.id)
    assert chunk is not None

    stored = await world.ledger.finish_chunk(chunk, feeds_of([user(1), user(2)]))
    again = await world.ledger.finish_chunk(chunk, feeds_of([user(1), user(2), user(3)], generation=20))

    assert chunk.attempts == 1
    assert stored == feeds_of([user(1)])
    assert again is None
    assert (await found(world.ledger, run)).counts == RunCounts(users=3, stored=1, kept=1, without_feed=1)
    assert await world.archive.get(user(1)) == feeds_of([user(1)])[0]
    assert await world.archive.get(user(2)) == newer
    assert await world.archive.get(user(3)) is None
    assert await world.ledger.begin_chunk(taken.id) is None


async def test_attempts_are_handed_back_of_open_chunks_alone(ledger: RunLedger) -> None:
    run = await ledger.begin_run(NAMED, "anna", USERS[:4])
    first, second = await ledger.take_open(run, None, 10)
    begun = [await ledger.begin_chunk(chunk.id) for chunk in (first, second)]
    assert begun[0]
    await ledger.finish_chunk(begun[0], [])

    await ledger.hand_back([first.id, second.id])
    await ledger.hand_back([first.id, second.id])
    again = await ledger.begin_chunk(second.id)

    assert again is not None
    assert again.attempts == 1


async def test_a_run_is_over_when_all_its_chunks_are(ledger: RunLedger) -> None:
    run = await ledger.begin_run(replace(NAMED, chunk_size=5), "anna", USERS)
    (chunk,) = await ledger.take_open(run, None, 10)

    before = await ledger.settle(run.id)
    await ledger.finish_chunk(chunk, feeds_of(USERS))
    after = await ledger.settle(run.id)

    ended = await found(ledger, run)
    assert (before, after) == (False, True)
    assert ended.state is RunState.COMPLETED
    assert ended.finished_at is not None
    assert await ledger.active() == []
    assert (await ledger.speed() or 0) > 0


async def test_of_runs_those_that_ended_before_a_moment_are_removed_the_oldest_first(ledger: RunLedger) -> None:
    first, second, active = [await ledger.begin_run(NAMED, "anna", USERS, beside_others=True) for _ in range(3)]
    await ledger.cancel(second.id)
    await ledger.cancel(first.id)
    moment = await ledger.moment()
    third = await ledger.begin_run(NAMED, "anna", USERS, beside_others=True)
    await ledger.cancel(third.id)

    counted = await ledger.count_ended(moment)
    removed = [await ledger.remove_ended(moment, 1)]
    left = {run.id for run in await ledger.latest(10)}
    removed += [await ledger.remove_ended(moment, 5), await ledger.remove_ended(moment, 5)]

    assert counted == 2
    assert removed == [1, 1, 0]
    assert left == {first.id, active.id, third.id}
    assert {run.id for run in await ledger.latest(10)} == {active.id, third.id}
    assert list(await ledger.take_open(active, None, 10))


async def test_users_without_a_feed_say_nothing_of_speed(ledger: RunLedger) -> None:
    run = await ledger.begin_run(replace(NAMED, chunk_size=5), "anna", USERS)
    (chunk,) = await ledger.take_open(run, None, 10)

    await ledger.finish_chunk(chunk, [])
    await ledger.settle(run.id)

    assert (await found(ledger, run)).state is RunState.COMPLETED
    assert await ledger.speed() is None


async def test_a_run_of_nobody_is_over_at_once_and_one_that_is_not_enumerated_is_not(ledger: RunLedger) -> None:
    of_nobody = await ledger.begin_run(NAMED, "anna", [])
    begun = await ledger.begin_run(REQUEST, "anna")

    assert await ledger.settle(of_nobody.id)
    assert not await ledger.settle(begun.id)


async def test_a_chunk_is_split_to_the_last_user_who_is_set_aside_with_the_error(ledger: RunLedger) -> None:
    run = await ledger.begin_run(NAMED, "anna", USERS[:2])
    (chunk,) = await ledger.take_open(run, None, 10)

    first, second = await ledger.split(chunk, "bad\0 luck")
    repeated = await ledger.split(chunk, "again")
    nothing_left = await ledger.split(first, "bad luck")
    await ledger.finish_chunk(second, feeds_of(second.user_ids))
    is_over = await ledger.settle(run.id)

    ended = await found(ledger, run)
    assert (list(first.user_ids), list(second.user_ids)) == (USERS[:1], USERS[1:2])
    assert (list(repeated), list(nothing_left)) == ([], [])
    assert is_over
    assert ended.state is RunState.COMPLETED_WITH_FAILURES
    assert ended.counts == RunCounts(users=2, stored=1, set_aside=1)
    assert await ledger.set_aside(run.id) == [SetAside(user(1), "bad luck")]


async def test_whether_a_run_is_cancelled_can_be_asked(ledger: RunLedger) -> None:
    run = await ledger.begin_run(NAMED, "anna", USERS)
    before = await ledger.is_cancelled(run.id)

    await ledger.cancel(run.id)

    assert not before
    assert await ledger.is_cancelled(run.id)
    assert not await ledger.is_cancelled(uuid4())


async def test_no_chunk_of_a_cancelled_run_begins(ledger: RunLedger) -> None:
    run = await ledger.begin_run(NAMED, "anna", USERS)
    chunks = await ledger.take_open(run, None, 1)

    cancelled, again = await ledger.cancel(run.id), await ledger.cancel(run.id)

    assert (cancelled, again) == (True, False)
    assert (await found(ledger, run)).state is RunState.CANCELLED
    assert await ledger.begin_chunk(chunks[0].id) is None
    assert list(await ledger.take_open(run, None, 10)) == []


async def test_of_users_with_a_message_each_those_are_done_who_have_a_feed_since(world: World) -> None:
    await world.archive.put(feeds_of([user(1)], generation=0)[0])
    run = await world.ledger.begin_run(replace(NAMED, chunk_size=1), "anna", USERS[:2])
    first = await world.ledger.take_open(run, None, 10)
    await world.archive.put(feeds_of([user(2)], generation=run.after_generation + 1)[0])

    assert not await world.ledger.settle(run.id)
    counts = (await found(world.ledger, run)).counts
    second = await world.ledger.take_open(run, await world.ledger.moment(), 10)
    exhausted = await world.ledger.exhausted(run.id, await world.ledger.moment(), 2, 10)

    assert counts == RunCounts(users=2, stored=1)
    assert sorted(chunk.attempts for chunk in first) == [1, 1]
    assert [(chunk.attempts, list(chunk.user_ids)) for chunk in second] == [(2, [user(1)])]
    assert [chunk.id for chunk in exhausted] == [chunk.id for chunk in second]
    assert list(await world.ledger.exhausted(run.id, await world.ledger.moment(), 3, 10)) == []


async def test_a_user_who_is_left_out_is_counted_once_as_without_feed(world: World) -> None:
    run = await world.ledger.begin_run(replace(NAMED, chunk_size=1), "anna", USERS[:3])
    others = await world.ledger.begin_run(replace(NAMED, chunk_size=1), "ben", USERS[:3], beside_others=True)
    for feed in feeds_of(USERS[1:3], generation=run.after_generation + 1):
        await world.archive.put(feed)
    await world.ledger.settle(run.id)

    for user_id in (user(1), user(1), user(2), user(4)):
        await world.ledger.leave_out(run.id, user_id)
    is_over = await world.ledger.settle(run.id)

    assert is_over
    assert (await found(world.ledger, run)).counts == RunCounts(users=3, stored=2, without_feed=1)
    assert (await found(world.ledger, others)).counts.without_feed == 0


async def test_a_run_is_untended_until_somebody_takes_its_chunks(ledger: RunLedger) -> None:
    run = await ledger.begin_run(REQUEST, "anna")
    later = await ledger.moment()
    before = await ledger.is_untended(run.id, later)

    await ledger.take_open(run, None, 10)

    assert before
    assert not await ledger.is_untended(run.id, later)


async def test_whoever_looks_for_lost_chunks_alone_does_not_tend_the_run(ledger: RunLedger) -> None:
    run = await ledger.begin_run(REQUEST, "anna")
    later = await ledger.moment()

    await ledger.take_open(run, later, 10)
    was_untended = await ledger.is_untended(run.id, later)
    await ledger.tend(run.id)

    assert was_untended
    assert not await ledger.is_untended(run.id, later)


async def test_without_postgres_the_ledger_says_so() -> None:
    async with open_pool("postgresql://u:p@127.0.0.1:1/d") as pool:
        for ledger in (PostgresRunLedger(pool), FakeRunLedger(unavailable=True)):
            with pytest.raises(ArchiveUnavailable):
                await ledger.begin_run(REQUEST, "anna")


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def test_many_chunks_are_read_a_few_times_each_also_by_plans_that_were_made_for_few(
    migrated_database_url: str,
) -> None:
    users = [user(number) for number in range(1, 2001)]
    async with open_pool(migrated_database_url, 1) as pool:
        ledger, archive = PostgresRunLedger(pool), PostgresFeedArchive(pool)
        run = await ledger.begin_run(replace(REQUEST, chunk_size=1), "anna")
        run = await ledger.add_users(run, users[:10], users[9], is_last=False)
        for _ in range(10):
            await ledger.take_open(run, None, 1)
            await ledger.settle(run.id)
        run = await ledger.add_users(run, users[10:], users[-1], is_last=True)
        await ledger.take_open(run, None, len(users))
        for feed in feeds_of(users, generation=run.after_generation + 1):
            await archive.put(feed)
        is_over = await ledger.settle(run.id)

    assert is_over
    assert await rows_read(migrated_database_url) < 10 * len(users)


async def rows_read(url: str) -> int:
    """Of the table of chunks since its beginning; the server counts those of a connection that has ended."""
    async with open_pool(url) as pool:
        read: int = await pool.fetchval(
            "select seq_tup_read + idx_tup_fetch from pg_stat_user_tables where relname = 'run_chunk'"
        )
    return read


async def test_of_two_who_finish_a_chunk_at_once_one_counts(pool: Pool) -> None:
    ledger = PostgresRunLedger(pool)
    run = await ledger.begin_run(replace(NAMED, chunk_size=5), "anna", USERS)
    (chunk,) = await ledger.take_open(run, None, 10)

    ends = await asyncio.gather(*[ledger.finish_chunk(chunk, feeds_of(USERS, number)) for number in (1, 2, 3)])

    assert sorted(end is None for end in ends) == [False, True, True]
    assert (await found(ledger, run)).counts == RunCounts(users=5, stored=5)


async def test_of_many_who_begin_a_run_at_once_one_does(pool: Pool) -> None:
    ledger = PostgresRunLedger(pool)

    begun = await asyncio.gather(*[ledger.begin_run(REQUEST, "anna") for _ in range(4)], return_exceptions=True)

    assert sorted(type(one).__name__ for one in begun) == ["Run", "RunActive", "RunActive", "RunActive"]


async def test_of_all_sweepers_one_is_at_it(pool: Pool) -> None:
    ledger = PostgresRunLedger(pool)

    async with ledger.sweeping() as first, ledger.sweeping() as second:
        both = first, second

    assert both == (True, False)
