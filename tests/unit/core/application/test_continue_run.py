"""A run's users are written down and enqueued once each, from wherever the last one left off."""

from dataclasses import replace
from uuid import UUID

import pytest

from core.application.sweep_runs import OVERDUE_AFTER
from core.domain.errors import ArchiveUnavailable, QueueUnavailable, RunTakenOver
from core.domain.run import RunCounts, RunState
from tests.unit.core.application.runs import EVERYBODY, USERS, BulkStage, likes, nobody_paces, user


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
@pytest.mark.parametrize("at_once", [1, 2, 3, None])
async def test_no_more_users_than_the_limit_are_enqueued(limit: int, at_once: int | None) -> None:
    stage = BulkStage()
    begun = await stage.start_run(replace(EVERYBODY, limit=limit, users_per_s=at_once), "anna")

    run = await stage.continue_run(begun)

    assert users_of(stage) == USERS[:limit]
    assert run.is_enumerated


async def test_chunks_of_one_are_the_messages_of_the_web() -> None:
    stage = BulkStage()

    run = await stage.begun(replace(EVERYBODY, chunk_size=1))

    assert sorted(message.user_id for message in stage.queue.bulk_messages) == USERS
    assert stage.queue.bulk_messages[0].request_id == run.request_id
    assert stage.queue.chunk_messages == []


async def test_no_more_users_a_second_are_enqueued_than_the_run_was_asked_to() -> None:
    stage, enqueued = BulkStage(), list[int]()

    async def note() -> None:
        enqueued.append(len(users_of(stage)))

    stage.when_pacing = note

    await stage.continue_run(await stage.start_run(replace(EVERYBODY, users_per_s=2), "anna"))

    assert enqueued == [2, 4, 5]
    assert stage.paces == [1.0, 1.0, 0.5]


async def test_a_run_is_tended_however_long_its_pace_makes_it_pause() -> None:
    stage, was_left_alone = BulkStage(), list[bool]()
    run = await stage.start_run(replace(EVERYBODY, users_per_s=0.1), "anna")

    async def look() -> None:
        stage.ledger.clock.advance(stage.paces[-1])
        was_left_alone.append(await stage.ledger.is_untended(run.id, await stage.ledger.moment() - OVERDUE_AFTER))

    stage.when_pacing = look

    await stage.continue_run(run)

    assert sum(stage.paces) == pytest.approx(50)
    assert not any(was_left_alone)


async def test_who_goes_on_with_a_run_keeps_its_rate() -> None:
    stage = BulkStage()
    begun = await stage.start_run(replace(EVERYBODY, users_per_s=2), "anna")
    half = await stage.continue_run.for_a_while(begun, seconds=1)

    await stage.continue_run(await stage.seen(begun))

    assert (half.counts.users, half.is_enumerated) == (2, False)
    assert users_of(stage) == USERS
    assert stage.paces == [1.0, 0.5]


async def test_a_part_of_a_run_without_a_rate_is_all_of_it() -> None:
    stage = BulkStage()

    run = await stage.continue_run.for_a_while(await stage.start_run(EVERYBODY, "anna"), seconds=1)

    assert run.is_enumerated
    assert users_of(stage) == USERS


async def test_an_enumeration_that_breaks_off_is_resumed_with_nobody_twice_and_nobody_lost() -> None:
    stage = BulkStage()
    begun = await stage.start_run(replace(EVERYBODY, users_per_s=2), "anna")

    async def die() -> None:
        raise ArchiveUnavailable("here the script is killed")

    stage.when_pacing = die
    with pytest.raises(ArchiveUnavailable):
        await stage.continue_run(begun)
    stage.when_pacing = nobody_paces
    half = await stage.seen(begun)
    run = await stage.continue_run(half)
    await stage.work()

    assert (half.counts.users, half.is_enumerated) == (2, False)
    assert run.counts.users == 5
    assert (await stage.seen(run)).state is RunState.COMPLETED
    assert (await stage.seen(run)).counts == RunCounts(users=5, stored=5)


async def test_where_two_enumerate_one_gives_up() -> None:
    stage = BulkStage()
    begun = await stage.start_run(replace(EVERYBODY, users_per_s=2), "anna")

    async def overtake() -> None:
        stage.when_pacing = nobody_paces
        await stage.continue_run(await stage.seen(begun))

    stage.when_pacing = overtake
    with pytest.raises(RunTakenOver):
        await stage.continue_run(begun)

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
