"""What the queue has lost, and what a script has left behind, is found again."""

from dataclasses import replace

from core.domain.feed import Feed, FeedOrder
from core.domain.job import Queue
from core.domain.levels import QueueLevel
from core.domain.run import ATTEMPTS_AT_MOST, RunCounts, RunState
from tests.builders import NOON
from tests.unit.core.application.runs import EVERYBODY, USERS, BulkStage, user


async def test_chunks_that_the_queue_has_lost_are_enqueued_anew_and_the_run_ends() -> None:
    stage = BulkStage()
    run = await stage.begun()
    await stage.generate_chunk(stage.queue.chunk_messages[0])
    stage.queue.chunk_messages.clear()
    stage.ledger.clock.advance(60)

    count = await stage.sweep_runs()
    await stage.work()

    assert count == 2
    assert (await stage.seen(run)).counts == RunCounts(users=5, stored=5)
    assert (await stage.seen(run)).state is RunState.COMPLETED


async def test_chunks_that_were_enqueued_lately_are_left_alone() -> None:
    stage = BulkStage()
    await stage.begun()

    assert await stage.sweep_runs() == 0


async def test_chunks_that_may_still_wait_behind_others_are_left_alone() -> None:
    stage = BulkStage()
    await stage.begun()
    stage.ledger.clock.advance(60)
    stage.levels.levels[Queue.FEEDS_BULK] = QueueLevel(waiting=3, oldest_waiting_seconds=100)

    assert await stage.sweep_runs() == 0


async def test_an_enumeration_that_was_left_alone_is_gone_on_with() -> None:
    stage = BulkStage()
    run = await stage.start_run(EVERYBODY, "anna")
    await stage.ledger.add_users(run, USERS[:2], USERS[1], is_last=False)
    stage.ledger.clock.advance(60)

    await stage.sweep_runs()
    await stage.work()

    assert (await stage.seen(run)).counts == RunCounts(users=5, stored=5)


async def test_however_often_sweepers_look_an_enumeration_that_was_left_alone_is_gone_on_with() -> None:
    stage = BulkStage()
    run = await stage.start_run(EVERYBODY, "anna")
    await stage.ledger.add_users(run, USERS[:2], USERS[1], is_last=False)

    for _ in range(4):
        stage.ledger.clock.advance(15)
        await stage.sweep_runs()

    assert (await stage.seen(run)).is_enumerated


async def test_a_sweeper_goes_on_at_the_rate_of_the_run_and_waits_for_nothing() -> None:
    stage = BulkStage()
    run = await stage.start_run(replace(EVERYBODY, users_per_s=0.1), "anna")
    stage.ledger.clock.advance(60)

    await stage.sweep_runs()

    # Three in half a minute, in whole chunks of two.
    assert (await stage.seen(run)).counts.users == 4
    assert stage.paces == []


async def test_an_enumeration_that_is_under_way_is_left_to_whom_it_belongs() -> None:
    stage = BulkStage()
    run = await stage.start_run(EVERYBODY, "anna")

    await stage.sweep_runs()

    assert (await stage.seen(run)).counts.users == 0


async def test_of_all_sweepers_one_is_at_it() -> None:
    stage = BulkStage()
    await stage.begun()
    stage.ledger.clock.advance(60)
    stage.ledger.is_swept_elsewhere = True

    assert await stage.sweep_runs() == 0


async def test_a_user_of_whom_three_messages_made_no_feed_is_set_aside() -> None:
    stage = BulkStage()
    run = await stage.begun(replace(EVERYBODY, chunk_size=1), USERS[:2])
    stage.archive.feeds[user(0)] = Feed(user(0), (), "v1", FeedOrder(1, 1), NOON, NOON)

    for _ in range(ATTEMPTS_AT_MOST):
        stage.ledger.clock.advance(60)
        await stage.sweep_runs()

    ended = await stage.seen(run)
    assert ended.state is RunState.COMPLETED_WITH_FAILURES
    assert ended.counts == RunCounts(users=2, stored=1, set_aside=1)
    assert [message.user_id for message in stage.queue.bulk_messages[2:]] == [user(1)] * (ATTEMPTS_AT_MOST - 1)


async def test_a_run_whose_last_worker_died_before_saying_so_is_ended() -> None:
    stage = BulkStage()
    run = await stage.begun(replace(EVERYBODY, chunk_size=5))
    chunk = await stage.ledger.begin_chunk(stage.queue.chunk_messages[0].chunk_id)
    assert chunk is not None
    await stage.ledger.finish_chunk(chunk, [])

    await stage.sweep_runs()

    assert (await stage.seen(run)).state is RunState.COMPLETED
