"""A run's users are written down and enqueued once each, from wherever the last one left off."""

from dataclasses import replace
from uuid import UUID

import pytest

from core.domain.errors import ArchiveUnavailable, QueueUnavailable, RunTakenOver
from core.domain.run import RunCounts, RunState
from tests.unit.core.application.runs import EVERYBODY, USERS, BulkStage, likes, user


def users_of(stage: BulkStage) -> list[UUID]:
    """Those whose chunks are in the queue, as often as they are."""
    entries = [stage.ledger.entries[message.chunk_id] for message in stage.queue.chunk_messages]
    return sorted(user_id for entry in entries for user_id in entry.chunk.user_ids)


async def test_active_users_at_the_threshold_are_enqueued_in_chunks() -> None:
    stage = BulkStage(interactions=[*likes(user(0)), *likes(user(1), 2), *likes(user(2), days_ago=40), *likes(user(3))])

    run = await stage.begun(replace(EVERYBODY, within_days=30))

    assert users_of(stage) == [user(0), user(3)]
    assert (run.is_enumerated, run.counts.users) == (True, 2)
    assert {message.request_id for message in stage.queue.chunk_messages} == {f"run-{run.id}"}


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
async def test_no_more_users_than_the_limit_are_enqueued(limit: int, at_once: int) -> None:
    stage = BulkStage()
    begun = await stage.start_run(replace(EVERYBODY, limit=limit), "anna")

    run = await stage.continue_run(begun, users_at_once=at_once)

    assert users_of(stage) == USERS[:limit]
    assert run.is_enumerated


async def test_chunks_of_one_are_the_messages_of_the_web() -> None:
    stage = BulkStage()

    run = await stage.begun(replace(EVERYBODY, chunk_size=1))

    assert sorted(message.user_id for message in stage.queue.bulk_messages) == USERS
    assert stage.queue.bulk_messages[0].request_id == run.request_id
    assert stage.queue.chunk_messages == []


async def test_the_caller_hears_how_many_more_are_enqueued_before_further_ones_are() -> None:
    stage, heard = BulkStage(), list[tuple[int, int]]()

    async def hear(count: int) -> None:
        heard.append((count, len(users_of(stage))))

    await stage.continue_run(await stage.start_run(EVERYBODY, "anna"), hear, users_at_once=2)

    assert heard == [(2, 2), (2, 4), (1, 5)]


async def test_an_enumeration_that_breaks_off_is_resumed_with_nobody_twice_and_nobody_lost() -> None:
    stage = BulkStage()
    begun = await stage.start_run(EVERYBODY, "anna")

    async def die(_: int) -> None:
        raise ArchiveUnavailable("here the script is killed")

    with pytest.raises(ArchiveUnavailable):
        await stage.continue_run(begun, die, users_at_once=2)
    half = await stage.seen(begun)
    run = await stage.continue_run(half)
    await stage.work()

    assert (half.counts.users, half.is_enumerated) == (2, False)
    assert run.counts.users == 5
    assert (await stage.seen(run)).state is RunState.COMPLETED
    assert (await stage.seen(run)).counts == RunCounts(users=5, stored=5)


async def test_where_two_enumerate_one_gives_up() -> None:
    stage = BulkStage()
    begun = await stage.start_run(EVERYBODY, "anna")

    async def overtake(_: int) -> None:
        await stage.continue_run(await stage.seen(begun))

    with pytest.raises(RunTakenOver):
        await stage.continue_run(begun, overtake, users_at_once=2)

    assert users_of(stage) == USERS


async def test_a_run_of_nobody_is_over_at_once() -> None:
    stage = BulkStage(interactions=[])

    run = await stage.begun()

    assert (await stage.seen(run)).state is RunState.COMPLETED


async def test_chunks_that_could_not_be_enqueued_are_in_the_ledger() -> None:
    stage = BulkStage()
    begun = await stage.start_run(EVERYBODY, "anna")
    stage.queue.unavailable = True

    with pytest.raises(QueueUnavailable):
        await stage.continue_run(begun)

    assert (await stage.seen(begun)).counts.users == 5
