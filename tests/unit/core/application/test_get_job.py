import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from core.application.fail_job import FailJob
from core.application.job_report import JobReport
from core.application.waiting_room import WaitingRoom
from core.domain.composition import ColdStartStrategy
from core.domain.errors import ArchiveUnavailable, NotFound
from core.domain.feed import NO_FEED, FeedOrder, FeedSource
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest, GenerateMessage, JobState, Patience, Ticket
from core.infrastructure.remembered_tickets import RememberedTickets
from tests.builders import NOON, USER, Stage, feed_of, post, provisional_feed_of, stale_feed_of

ANNA = to_uuid(USER)
ASKED = FeedRequest(USER, limit=2, excluded_post_ids=(str(post(1)),))


async def stage_with(ticket: Ticket) -> Stage:
    stage = Stage()
    await stage.tickets.add(ticket)
    return stage


def ticket_of(newer_than: FeedOrder = NO_FEED, failure: str | None = None) -> Ticket:
    return Ticket(UUID(int=7), ASKED, newer_than, NOON, NOON + timedelta(hours=1), failure)


async def test_a_job_in_the_queue_is_queued_then_running() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    await stage.queue.submit(GenerateMessage(ANNA, "request-1"))

    before = await stage.get_job(ticket.id, "request-2")
    await stage.queue.mark_running(ANNA)
    after = await stage.get_job(ticket.id, "request-2")

    assert (before.state, after.state) == (JobState.QUEUED, JobState.RUNNING)
    assert before.page is None
    assert len(stage.queue.messages) == 1


async def test_the_answer_is_cut_by_the_limit_and_the_exclusions_of_the_request() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    await stage.archive.put(feed_of(posts=(1, 2, 3, 4)))

    report = await stage.get_job(ticket.id, "request-2")

    assert report.state is JobState.SUCCEEDED
    assert report.page is not None
    assert [item.post_id for item in report.page.recommendations] == [post(2), post(3)]
    assert report.page.source is FeedSource.GENERATED
    assert report.page.next is not None


async def test_a_provisional_feed_does_not_honour_a_ticket() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    await stage.cache.put_provisional(provisional_feed_of())
    await stage.queue.submit(GenerateMessage(ANNA, "request-1"))

    assert (await stage.get_job(ticket.id, "request-2")).state is JobState.QUEUED


async def test_the_feed_that_was_there_when_the_ticket_was_given_does_not_honour_it() -> None:
    ticket = ticket_of(newer_than=FeedOrder(1, 3))
    stage = await stage_with(ticket)
    await stage.archive.put(stale_feed_of(generation=3))
    await stage.queue.submit(GenerateMessage(ANNA, "request-1"))

    report = await stage.get_job(ticket.id, "request-2")

    assert report.state is JobState.QUEUED


async def test_a_newer_feed_honours_the_ticket_even_when_it_has_expired_since() -> None:
    ticket = ticket_of(newer_than=FeedOrder(1, 3))
    stage = await stage_with(ticket)
    await stage.archive.put(stale_feed_of(generation=4))

    report = await stage.get_job(ticket.id, "request-2")

    assert report.page is not None
    assert (report.state, report.page.source) == (JobState.SUCCEEDED, FeedSource.STALE)


async def test_a_failed_job_says_why() -> None:
    ticket = ticket_of(failure="the model is broken")
    stage = await stage_with(ticket)

    report = await stage.get_job(ticket.id, "request-2")

    assert (report.state, report.failure) == (JobState.FAILED, "the model is broken")


async def test_a_feed_that_came_after_the_failure_counts_more() -> None:
    ticket = ticket_of(failure="the model is broken")
    stage = await stage_with(ticket)
    await stage.archive.put(feed_of())

    report = await stage.get_job(ticket.id, "request-2")

    assert (report.state, report.failure) == (JobState.SUCCEEDED, None)


async def test_an_expired_ticket_is_expired_whatever_became_of_the_job() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    await stage.archive.put(feed_of())
    stage.clock.advance(seconds=3600)

    report = await stage.get_job(ticket.id, "request-2")

    assert (report.state, report.page) == (JobState.EXPIRED, None)


async def test_a_ticket_nobody_gave_is_not_found() -> None:
    with pytest.raises(NotFound):
        await Stage().get_job(uuid4(), "request-2")


async def test_a_wiped_queue_is_filled_again_by_asking_for_the_job() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)

    report = await stage.get_job(ticket.id, "request-2")

    assert report.state is JobState.QUEUED
    assert stage.queue.messages == [GenerateMessage(ANNA, "request-2")]


async def test_asking_again_and_again_makes_one_job() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)

    for _ in range(3):
        await stage.get_job(ticket.id, "request-2")

    assert len(stage.queue.messages) == 1


async def test_a_user_whose_history_is_gone_gets_what_a_stranger_gets() -> None:
    ticket = replace(ticket_of(), request=FeedRequest("nobody", limit=2))
    stage = await stage_with(ticket)

    report = await stage.get_job(ticket.id, "request-2")

    assert report.page is not None
    assert (report.state, report.page.source) == (JobState.SUCCEEDED, FeedSource.POPULAR)
    assert stage.queue.messages == []


async def test_with_the_strategy_empty_that_is_an_empty_page() -> None:
    ticket = replace(ticket_of(), request=FeedRequest("nobody", limit=2))
    stage = Stage(strategy=ColdStartStrategy.EMPTY)
    await stage.tickets.add(ticket)

    report = await stage.get_job(ticket.id, "request-2")

    assert report.page is not None
    assert report.page.recommendations == ()


async def test_while_redis_is_away_the_job_counts_as_queued_and_a_stored_feed_as_success() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    stage.stop_redis()

    before = await stage.get_job(ticket.id, "request-2")
    await stage.archive.put(feed_of())
    after = await stage.get_job(ticket.id, "request-2")

    assert (before.state, after.state) == (JobState.QUEUED, JobState.SUCCEEDED)


async def test_while_feeds_cannot_be_looked_up_a_lease_still_tells_the_state() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    await stage.queue.submit(GenerateMessage(ANNA, "request-1"))
    stage.archive.unavailable = True

    report = await stage.get_job(ticket.id, "request-2")

    assert report.state is JobState.QUEUED


async def test_while_postgres_is_away_nobody_knows_the_ticket() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    stage.stop_postgres()

    with pytest.raises(ArchiveUnavailable):
        await stage.get_job(ticket.id, "request-2")


async def test_while_postgres_is_away_a_ticket_that_the_process_knows_is_honoured_by_the_cache() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    get_job = replace(stage.get_job, tickets=RememberedTickets(stage.tickets))
    await stage.queue.submit(GenerateMessage(ANNA, "request-1"))
    before = await get_job(ticket.id, "request-2")
    await stage.cache.put(feed_of(posts=(1, 2, 3, 4)))

    stage.stop_postgres()
    after = await get_job(ticket.id, "request-2")

    assert (before.state, after.state) == (JobState.QUEUED, JobState.SUCCEEDED)
    assert after.page is not None
    assert [item.post_id for item in after.page.recommendations] == [post(2), post(3)]


async def test_a_ticket_taken_while_waiting_is_honoured_by_the_same_job() -> None:
    stage = Stage()
    taken = await stage.recommend_posts(ASKED, Patience(0.0), "request-1")
    assert isinstance(taken, JobReport)
    stage.next_feed = feed_of()
    await stage.work(stage.queue.messages[0])

    report = await stage.get_job(taken.ticket.id, "request-2")

    assert report.state is JobState.SUCCEEDED


def waits(stage: Stage, ticket: Ticket) -> "asyncio.Task[JobReport]":
    return asyncio.create_task(stage.get_job(ticket.id, "request-2", wait_seconds=30.0))


async def test_the_feed_that_comes_while_the_holder_waits_ends_the_waiting() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    asking = waits(stage, ticket)
    await stage.signals.somebody_listens.wait()

    stage.next_feed = feed_of()
    await stage.work(GenerateMessage(ANNA, "request-1"))

    assert (await asking).state is JobState.SUCCEEDED
    assert stage.signals.ears == {}


async def test_the_failure_that_comes_while_the_holder_waits_ends_the_waiting() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    asking = waits(stage, ticket)
    await stage.signals.somebody_listens.wait()

    await FailJob(stage.tickets, stage.queue, stage.signals)(ANNA, "the model is broken")

    assert (await asking).failure == "the model is broken"


async def test_a_signal_about_a_feed_that_does_not_honour_the_ticket_does_not_end_the_waiting() -> None:
    ticket = ticket_of(newer_than=FeedOrder(1, 3))
    stage = await stage_with(ticket)
    asking = waits(stage, ticket)
    await stage.signals.somebody_listens.wait()

    await stage.cache.put(feed_of(generation=3))
    done, _ = await asyncio.wait([asking], timeout=0.02)
    await stage.cache.put(feed_of(generation=4))

    assert not done
    assert (await asking).state is JobState.SUCCEEDED


async def test_whoever_waits_learns_that_the_job_runs_when_the_time_is_over() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    await stage.queue.submit(GenerateMessage(ANNA, "request-1"))
    await stage.queue.mark_running(ANNA)

    report = await stage.get_job(ticket.id, "request-2", wait_seconds=0.01)

    assert report.state is JobState.RUNNING
    assert stage.signals.ears == {}


@pytest.mark.parametrize("ended", [ticket_of(failure="it broke"), replace(ticket_of(), expires_at=NOON)])
async def test_nobody_waits_for_a_job_that_is_over(ended: Ticket) -> None:
    stage = await stage_with(ended)

    async with asyncio.timeout(5):
        report = await stage.get_job(ended.id, "request-2", wait_seconds=1000.0)

    assert report.state in {JobState.FAILED, JobState.EXPIRED}


async def test_without_a_seat_to_wait_on_the_answer_comes_at_once() -> None:
    ticket = ticket_of()
    stage = Stage(waiting_room=WaitingRoom(0))
    await stage.tickets.add(ticket)

    async with asyncio.timeout(5):
        report = await stage.get_job(ticket.id, "request-2", wait_seconds=1000.0)

    assert report.state is JobState.QUEUED


async def test_when_the_process_drains_the_holder_is_let_go() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    asking = waits(stage, ticket)
    await stage.signals.somebody_listens.wait()

    stage.signals.wake_all()

    async with asyncio.timeout(5):
        assert (await asking).state is JobState.QUEUED


async def test_a_holder_who_goes_away_leaves_no_ear_and_no_seat() -> None:
    ticket = ticket_of()
    stage = Stage(waiting_room=WaitingRoom(1))
    await stage.tickets.add(ticket)
    asking = waits(stage, ticket)
    await stage.signals.somebody_listens.wait()

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert stage.signals.ears == {}
    with stage.waiting_room.seat() as has_seat:
        assert has_seat


async def test_a_queued_job_is_worth_a_look_when_what_waits_is_done_and_a_running_one_soon() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    stage.queue.messages.extend([GenerateMessage(UUID(int=number), "request-1") for number in range(20)])

    begun_again = await stage.get_job(ticket.id, "request-2")
    queued = await stage.get_job(ticket.id, "request-2")
    await stage.queue.mark_running(ANNA)
    running = await stage.get_job(ticket.id, "request-2")

    assert [report.retry_after_seconds for report in (begun_again, queued, running)] == [21, 21, 1]


async def test_hidden_posts_are_left_out_of_what_a_ticket_leads_to() -> None:
    ticket = ticket_of()
    stage = await stage_with(ticket)
    await stage.archive.put(feed_of(posts=(1, 2, 3, 4)))
    stage.hidden_posts.posts = {post(3)}

    report = await stage.get_job(ticket.id, "request-1")

    assert report.page is not None
    assert [item.post_id for item in report.page.recommendations] == [post(2), post(4)]


async def test_a_ticket_of_somebody_who_has_written_is_honoured_by_a_feed_that_knows_of_it() -> None:
    ticket = replace(ticket_of(), request=replace(ASKED, min_seq=8))
    stage = await stage_with(ticket)
    stage.sequences.sequences[ANNA] = 8
    await stage.archive.put(replace(feed_of(generation=1), built_sequence=7))
    before = await stage.get_job(ticket.id, "request-2")

    stage.next_feed = replace(feed_of(generation=2), built_sequence=8)
    await stage.work(stage.queue.messages[0])
    after = await stage.get_job(ticket.id, "request-3")

    assert (before.state, after.state) == (JobState.QUEUED, JobState.SUCCEEDED)
    assert stage.queue.messages == [GenerateMessage(ANNA, "request-2")]


async def test_a_number_that_is_unknown_by_now_fails_its_ticket_and_says_so() -> None:
    ticket = replace(ticket_of(), request=replace(ASKED, min_seq=8))
    stage = await stage_with(ticket)

    report = await stage.get_job(ticket.id, "request-2")

    assert report.state is JobState.FAILED
    assert "the last one is 0" in str(report.failure)


async def test_a_session_whose_job_was_lost_gets_it_again_with_its_posts() -> None:
    session = FeedRequest("session", limit=2, recent_post_ids=(post(7),))
    ticket = replace(ticket_of(), request=session)
    stage = await stage_with(ticket)

    report = await stage.get_job(ticket.id, "request-2")

    assert report.state is JobState.QUEUED
    assert stage.queue.messages == [GenerateMessage(to_uuid("session"), "request-2", (post(7),))]
