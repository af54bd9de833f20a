import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from core.application.fail_job import FailJob
from core.application.job_report import JobReport
from core.application.waiting_room import WaitingRoom
from core.domain.composition import ColdStartStrategy
from core.domain.errors import CursorExpired, Overloaded, SequenceUnknown
from core.domain.feed import NO_FEED, Feed, FeedOrder, FeedSource
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest, GenerateMessage, JobProgress, JobState, PagePosition, Patience, Ticket
from core.domain.page import FeedPage
from core.domain.user_change import UserChange
from tests.builders import NOON, USER, Stage, feed_of, popular_feed_of, post, provisional_feed_of, stale_feed_of

ANNA = to_uuid(USER)
ASKED = FeedRequest(USER, limit=2)
NO_TIME = Patience(0.0)
LONG = Patience(30.0)
MESSAGE = GenerateMessage(ANNA, "request-1")


async def ask(stage: Stage, patience: Patience = NO_TIME, request: FeedRequest = ASKED) -> FeedPage | JobReport:
    return await stage.recommend_posts(request, patience, "request-1")


async def page_from(stage: Stage, patience: Patience = NO_TIME, request: FeedRequest = ASKED) -> FeedPage:
    answer = await ask(stage, patience, request)
    assert isinstance(answer, FeedPage)
    return answer


async def ticket_from(stage: Stage, patience: Patience = NO_TIME) -> Ticket:
    answer = await ask(stage, patience)
    assert isinstance(answer, JobReport)
    assert answer.state is JobState.QUEUED
    return answer.ticket


def enqueued_at(stage: Stage) -> asyncio.Event:
    """Set when the job is in the queue, and the caller's ear is open."""
    enqueued = asyncio.Event()

    async def note(_: GenerateMessage) -> None:
        enqueued.set()

    stage.queue.on_submit = note
    return enqueued


def posts_of(page: FeedPage) -> list[int]:
    return [item.post_id.int for item in page.recommendations]


async def test_a_stored_feed_is_returned_and_nothing_is_enqueued() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(posts=(1, 2, 3)))

    page = await page_from(stage)

    assert (posts_of(page), page.source) == ([1, 2], FeedSource.CACHE)
    assert stage.queue.messages == []


async def test_excluded_posts_are_left_out() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(posts=(1, 2, 3)))

    page = await page_from(stage, request=replace(ASKED, excluded_post_ids=(str(post(1)), "unknown")))

    assert posts_of(page) == [2, 3]


async def test_missing_feed_is_generated_and_returned() -> None:
    stage = Stage(next_feed=feed_of(posts=(1, 2, 3)))

    page = await page_from(stage, LONG)

    assert (posts_of(page), page.source) == ([1, 2], FeedSource.GENERATED)
    assert stage.queue.messages == [MESSAGE]
    assert stage.tickets.tickets == {}


async def test_a_feed_made_while_the_caller_waits_wakes_it() -> None:
    stage = Stage()
    enqueued = enqueued_at(stage)
    asking = asyncio.create_task(page_from(stage, LONG))
    await enqueued.wait()

    await stage.cache.put(feed_of())

    assert (await asking).source is FeedSource.GENERATED
    assert stage.signals.ears == {}


async def test_a_signal_that_brings_no_fresh_feed_does_not_end_the_waiting() -> None:
    stage = Stage()
    enqueued = enqueued_at(stage)
    asking = asyncio.create_task(page_from(stage, LONG))
    await enqueued.wait()

    await stage.cache.put(stale_feed_of(generation=1))
    done, _ = await asyncio.wait([asking], timeout=0.02)
    await stage.cache.put(feed_of(generation=2))

    assert not done
    assert (await asking).source is FeedSource.GENERATED


@pytest.mark.parametrize(
    ("stored", "source"), [([], FeedSource.POPULAR), ([stale_feed_of()], FeedSource.STALE)], ids=["none", "a stale one"]
)
async def test_who_waits_for_a_job_that_is_given_up_gets_the_next_best_at_once(
    stored: list[Feed], source: FeedSource
) -> None:
    stage = Stage()
    for feed in stored:
        await stage.archive.put(feed)
    enqueued = enqueued_at(stage)

    async with asyncio.timeout(5):
        asking = asyncio.create_task(page_from(stage, Patience(1000.0)))
        await enqueued.wait()
        await FailJob(stage.tickets, stage.queue, stage.signals)(ANNA, "it broke")
        page = await asking

    assert page.source is source
    assert stage.tickets.tickets == {}


async def test_a_feed_that_is_shown_between_the_looks_at_feed_and_job_is_returned() -> None:
    stage = Stage()
    enqueued = enqueued_at(stage)
    progress = stage.queue.progress

    async def ended(user_id: UUID) -> JobProgress | None:
        await stage.cache.put(feed_of())
        return await progress(user_id)

    stage.queue.progress = ended  # type: ignore[method-assign] # the moment between two looks has no other handle

    async with asyncio.timeout(5):
        asking = asyncio.create_task(page_from(stage, Patience(1000.0)))
        await enqueued.wait()
        await stage.queue.release(ANNA)
        await stage.signals.send(ANNA)
        page = await asking

    assert page.source is FeedSource.GENERATED


async def test_a_lost_signal_costs_the_patience_but_not_the_feed() -> None:
    stage = Stage(next_feed=feed_of())
    stage.signals.unavailable = True

    page = await page_from(stage, NO_TIME)

    assert page.source is FeedSource.GENERATED


async def test_a_feed_that_came_between_the_look_and_the_listening_is_not_generated_again() -> None:
    stage = Stage()
    cache = ArrivesOnSecondLook(stage.cache, feed_of())
    stage.cache.get = cache.get  # type: ignore[method-assign] # the moment between two looks has no other handle

    page = await page_from(stage, LONG)

    assert page.source is FeedSource.CACHE
    assert stage.queue.messages == []


@pytest.mark.parametrize(("stored", "jobs"), [([], 0), ([stale_feed_of(generation=2)], 1)], ids=["before", "after"])
async def test_only_who_looked_before_the_last_job_showed_its_feed_begins_no_other(
    stored: list[Feed], jobs: int
) -> None:
    stage = Stage()
    for feed in stored:
        await stage.cache.put(feed)
    stage.queue.done[ANNA] = stale_feed_of(generation=2).order

    await ask(stage)

    assert len(stage.queue.messages) == jobs


class ArrivesOnSecondLook:
    """A cache or archive that has the feed only when it is asked again."""

    def __init__(self, archive: object, feed: Feed, at_look: int = 2) -> None:
        self.looks = 0
        self.feed = feed
        self.at_look = at_look

    async def get(self, user_id: object) -> Feed | None:
        self.looks += 1
        return self.feed if self.looks >= self.at_look else None


async def test_an_expired_feed_is_generated_anew_by_the_request_that_meets_it() -> None:
    stage = Stage(next_feed=feed_of(posts=(4, 5, 6), generation=2))
    await stage.archive.put(stale_feed_of(posts=(1, 2, 3), generation=1))

    page = await page_from(stage, LONG)

    assert (posts_of(page), page.source) == ([4, 5], FeedSource.GENERATED)
    assert stage.queue.messages == [MESSAGE]


async def test_out_of_patience_a_stale_feed_is_served() -> None:
    stage = Stage()
    await stage.archive.put(stale_feed_of())

    page = await page_from(stage)

    assert page.source is FeedSource.STALE
    assert stage.queue.messages == [MESSAGE]


async def test_out_of_patience_without_any_feed_the_caller_takes_a_ticket() -> None:
    stage = Stage()

    ticket = await ticket_from(stage)

    assert ticket.request == ASKED
    assert ticket.newer_than == NO_FEED
    assert (ticket.expires_at - NOON).total_seconds() == 3600
    assert stage.tickets.tickets == {ticket.id: ticket}


async def test_who_asks_for_a_ticket_does_not_wait() -> None:
    stage = Stage()

    async with asyncio.timeout(5):
        await ticket_from(stage, Patience(1000.0, respond_async=True))

    assert stage.queue.messages == [MESSAGE]


async def test_who_asks_for_a_ticket_gets_one_that_only_a_newer_feed_honours() -> None:
    stage = Stage()
    await stage.archive.put(stale_feed_of(generation=3))

    ticket = await ticket_from(stage, Patience(1000.0, respond_async=True))

    assert ticket.newer_than == FeedOrder(1, 3)


async def test_who_asks_for_a_ticket_gets_a_fresh_feed_all_the_same() -> None:
    stage = Stage()
    await stage.cache.put(feed_of())

    page = await page_from(stage, Patience(0.0, respond_async=True))

    assert page.source is FeedSource.CACHE


async def test_who_would_rather_have_popular_posts_gets_them_instead_of_a_ticket() -> None:
    stage = Stage()

    page = await page_from(stage, Patience(0.0, fallback=True))

    assert (posts_of(page), page.source, page.model_version) == ([101, 102], FeedSource.POPULAR, "popular")
    assert stage.queue.messages == [MESSAGE]
    assert stage.tickets.tickets == {}


async def test_a_stale_feed_comes_before_popular_posts() -> None:
    stage = Stage()
    await stage.archive.put(stale_feed_of())

    page = await page_from(stage, Patience(0.0, fallback=True))

    assert page.source is FeedSource.STALE


async def test_while_no_worker_lives_nobody_waits() -> None:
    stage = Stage()
    stage.stop_workers()

    async with asyncio.timeout(5):
        await ticket_from(stage, Patience(1000.0))

    assert stage.queue.messages == [MESSAGE]


async def test_a_second_caller_joins_the_job_of_the_first() -> None:
    stage = Stage()

    first = await ticket_from(stage)
    second = await ticket_from(stage)

    assert first.id != second.id
    assert stage.queue.messages == [MESSAGE]


async def test_a_job_that_ends_just_before_its_ticket_is_written_needs_none() -> None:
    stage = Stage()
    archive = ArrivesOnSecondLook(stage.archive, feed_of(), at_look=3)
    stage.archive.get = archive.get  # type: ignore[method-assign] # the moment between two looks has no other handle

    page = await page_from(stage)

    assert page.source is FeedSource.GENERATED
    assert stage.tickets.tickets == {}


async def test_a_stranger_gets_popular_posts_at_once_and_no_job() -> None:
    stage = Stage()

    page = await page_from(stage, LONG, FeedRequest("nobody", limit=2))

    assert (posts_of(page), page.source, page.user_text) == ([101, 102], FeedSource.POPULAR, "nobody")
    assert stage.queue.messages == []


async def test_a_stranger_is_remembered_for_a_while() -> None:
    stage = Stage()
    await page_from(stage, request=FeedRequest("nobody", limit=2))
    stage.history.unavailable = True

    page = await page_from(stage, request=FeedRequest("nobody", limit=2))

    assert page.source is FeedSource.POPULAR
    assert to_uuid("nobody") in stage.cache.cold


async def test_with_the_strategy_empty_a_stranger_gets_nothing() -> None:
    stage = Stage(strategy=ColdStartStrategy.EMPTY)

    page = await page_from(stage, request=FeedRequest("nobody", limit=2))

    assert (page.recommendations, page.next) == ((), None)


async def test_with_the_strategy_empty_the_fallback_is_popular_all_the_same() -> None:
    stage = Stage(strategy=ColdStartStrategy.EMPTY)

    page = await page_from(stage, Patience(0.0, fallback=True))

    assert posts_of(page) == [101, 102]


async def test_before_the_first_popular_feed_a_stranger_gets_an_empty_page() -> None:
    stage = Stage()
    stage.popular.feed = popular_feed_of(generation=0)

    page = await page_from(stage, request=FeedRequest("nobody", limit=2))

    assert page.recommendations == ()


async def test_while_redis_is_away_a_stored_feed_comes_from_the_archive() -> None:
    stage = Stage()
    await stage.archive.put(feed_of())
    stage.stop_redis()

    page = await page_from(stage, LONG)

    assert page.source is FeedSource.ARCHIVE


async def test_while_redis_is_away_a_missing_feed_is_popular() -> None:
    stage = Stage()
    stage.stop_redis()

    page = await page_from(stage, LONG)

    assert page.source is FeedSource.POPULAR
    assert stage.tickets.tickets == {}


async def test_while_redis_is_away_a_stale_feed_comes_before_popular_posts() -> None:
    stage = Stage()
    await stage.archive.put(stale_feed_of())
    stage.stop_redis()

    page = await page_from(stage, Patience(0.0, respond_async=True))

    assert page.source is FeedSource.STALE


async def test_while_redis_is_away_a_stranger_is_recognised() -> None:
    stage = Stage(strategy=ColdStartStrategy.EMPTY)
    stage.stop_redis()

    page = await page_from(stage, request=FeedRequest("nobody", limit=2))

    assert page.recommendations == ()


async def test_a_stranger_is_served_when_redis_goes_away_before_that_is_remembered() -> None:
    stage = Stage()

    async def refuse(user_id: object) -> None:
        stage.cache.unavailable = True
        stage.cache._answer()

    stage.cache.mark_cold = refuse  # type: ignore[method-assign] # the moment between two calls has no other handle

    page = await page_from(stage, request=FeedRequest("nobody", limit=2))

    assert page.source is FeedSource.POPULAR


async def test_while_postgres_is_away_a_cached_feed_is_served() -> None:
    stage = Stage()
    await stage.cache.put(feed_of())
    stage.stop_postgres()

    page = await page_from(stage)

    assert page.source is FeedSource.CACHE


async def test_while_postgres_is_away_a_missing_feed_is_popular() -> None:
    stage = Stage()
    stage.stop_postgres()

    page = await page_from(stage, LONG)

    assert page.source is FeedSource.POPULAR


async def test_while_postgres_is_away_an_expired_cached_feed_is_renewed_by_the_worker() -> None:
    stage = Stage()
    await stage.cache.put(stale_feed_of(generation=1))
    stage.stop_postgres()

    page = await page_from(stage)

    assert page.source is FeedSource.STALE
    assert stage.queue.messages == [MESSAGE]


async def test_while_postgres_is_away_a_worker_makes_a_provisional_feed_for_whom_it_knows() -> None:
    stage = Stage(next_feed=provisional_feed_of(posts=(1, 2, 3)))
    stage.stop_postgres()

    made = await page_from(stage, LONG)
    again = await page_from(stage, LONG)

    assert (posts_of(made), made.source, made.is_provisional) == ([1, 2], FeedSource.GENERATED, True)
    assert (posts_of(again), again.source, again.is_provisional) == ([1, 2], FeedSource.CACHE, True)
    assert stage.queue.messages == [MESSAGE]


async def test_while_postgres_is_away_only_who_asks_first_waits_and_not_for_long() -> None:
    stage = Stage()
    stage.stop_postgres()
    await stage.queue.submit(MESSAGE)

    async with asyncio.timeout(5):
        page = await page_from(stage, Patience(1000.0))

    assert page.source is FeedSource.POPULAR


@pytest.mark.parametrize("patience", [LONG, Patience(30.0, respond_async=True), Patience(30.0, fallback=True)])
async def test_while_postgres_is_away_a_stale_cached_feed_is_served_at_once(patience: Patience) -> None:
    stage = Stage()
    await stage.cache.put(stale_feed_of())
    stage.stop_postgres()

    async with asyncio.timeout(5):
        page = await page_from(stage, patience)

    assert page.source is FeedSource.STALE


async def test_while_postgres_is_away_a_stale_feed_that_shows_up_late_is_marked() -> None:
    stage = Stage()
    stage.stop_postgres()

    async def show(_: GenerateMessage) -> None:
        await stage.cache.put(stale_feed_of())

    stage.queue.on_submit = show

    assert (await page_from(stage)).source is FeedSource.STALE


async def test_while_postgres_is_away_a_full_queue_refuses_nobody() -> None:
    stage = Stage()
    stage.queue.is_full = True
    stage.stop_postgres()

    assert (await page_from(stage, LONG)).source is FeedSource.POPULAR


async def test_when_postgres_goes_away_meanwhile_the_stale_feed_that_was_found_is_served() -> None:
    stage = Stage()
    await stage.archive.put(stale_feed_of())

    async def stop_postgres(_: GenerateMessage) -> None:
        stage.stop_postgres()

    stage.queue.on_submit = stop_postgres

    assert (await page_from(stage)).source is FeedSource.STALE


async def test_once_postgres_is_back_the_feed_of_a_provisional_one_is_generated_anew() -> None:
    stage = Stage(next_feed=feed_of(posts=(7, 8)))
    await stage.cache.put_provisional(provisional_feed_of())

    page = await page_from(stage, LONG)

    assert (posts_of(page), page.source, page.is_provisional) == ([7, 8], FeedSource.GENERATED, False)


async def test_out_of_patience_the_provisional_feed_is_the_stale_answer() -> None:
    stage = Stage()
    await stage.cache.put_provisional(provisional_feed_of())

    page = await page_from(stage)

    assert (page.source, page.is_provisional) == (FeedSource.STALE, True)


async def test_a_ticket_that_cannot_be_written_becomes_popular_posts() -> None:
    stage = Stage()
    stage.tickets.unavailable = True

    page = await page_from(stage)

    assert page.source is FeedSource.POPULAR


async def test_while_both_are_away_popular_posts_are_served() -> None:
    stage = Stage()
    stage.stop_redis()
    stage.stop_postgres()

    page = await page_from(stage, LONG)

    assert (posts_of(page), page.source) == ([101, 102], FeedSource.POPULAR)


async def test_a_cursor_continues_the_stored_feed() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(posts=(1, 2, 3)))
    first = await page_from(stage)

    second = await page_from(stage, request=replace(ASKED, after=first.next))

    assert (posts_of(first), posts_of(second)) == ([1, 2], [3])


async def test_a_cursor_continues_a_feed_that_has_become_stale() -> None:
    stage = Stage()
    await stage.archive.put(feed_of(posts=(1, 2, 3)))
    first = await page_from(stage)
    stage.clock.advance(seconds=25 * 3600)

    second = await page_from(stage, request=replace(ASKED, after=first.next))

    assert (posts_of(second), second.source) == ([3], FeedSource.STALE)
    assert stage.queue.messages == []


async def test_a_cursor_continues_popular_posts() -> None:
    stage = Stage()
    first = await page_from(stage, request=FeedRequest("nobody", limit=2))

    second = await page_from(stage, request=FeedRequest("nobody", limit=2, after=first.next))

    assert (posts_of(second), second.source, second.next) == ([103], FeedSource.POPULAR, None)


async def test_a_cursor_continues_the_popular_fallback_although_the_feed_has_come_meanwhile() -> None:
    stage = Stage()
    first = await page_from(stage, Patience(0.0, fallback=True))
    await stage.cache.put(feed_of())

    second = await page_from(stage, request=replace(ASKED, after=first.next))

    assert posts_of(second) == [103]


@pytest.mark.parametrize("order", [FeedOrder(1, 1), FeedOrder(0, 6)])
async def test_a_cursor_of_a_renewed_feed_has_expired(order: FeedOrder) -> None:
    stage = Stage()
    await stage.cache.put(feed_of(generation=2))

    with pytest.raises(CursorExpired) as raised:
        await ask(stage, request=replace(ASKED, after=PagePosition(order, 2)))

    assert raised.value.pointer == "/cursor"
    assert stage.queue.messages == []


async def test_without_a_seat_to_wait_on_the_answer_is_a_ticket_at_once() -> None:
    stage = Stage(waiting_room=WaitingRoom(0))

    answer = await ticket_from(stage, LONG)

    assert answer.request.user_text == USER
    assert len(stage.queue.messages) == 1


async def test_whoever_waits_gives_the_seat_back() -> None:
    stage = Stage(next_feed=feed_of(), waiting_room=WaitingRoom(1))

    for _ in range(3):
        stage.archive.feeds.clear()
        stage.cache.feeds.clear()
        assert (await page_from(stage, LONG)).source is FeedSource.GENERATED


async def test_while_too_many_jobs_wait_a_missing_feed_is_refused_and_nothing_is_enqueued() -> None:
    stage = Stage()
    stage.queue.is_full = True

    with pytest.raises(Overloaded, match="more feeds are waiting"):
        await page_from(stage, LONG)

    assert stage.queue.messages == []


async def test_a_ticket_and_a_refusal_tell_when_it_is_worth_coming_back() -> None:
    stage = Stage()
    stage.queue.messages.extend([MESSAGE] * 20)

    taken = await ask(stage)
    stage.queue.leases.clear()
    stage.queue.is_full = True
    with pytest.raises(Overloaded) as raised:
        await ask(stage)

    assert isinstance(taken, JobReport)
    assert (taken.retry_after_seconds, raised.value.retry_after_seconds) == (21, 21)


async def test_while_too_many_jobs_wait_stale_feeds_and_popular_posts_are_served_on() -> None:
    stage = Stage()
    stage.queue.is_full = True
    assert (await page_from(stage, Patience(0, fallback=True))).source is FeedSource.POPULAR
    await stage.archive.put(stale_feed_of())

    assert (await page_from(stage, LONG)).source is FeedSource.STALE


@pytest.mark.parametrize("source", [FeedSource.CACHE, FeedSource.ARCHIVE, FeedSource.STALE, FeedSource.GENERATED])
async def test_hidden_posts_are_served_from_no_source(source: FeedSource) -> None:
    stage = Stage(next_feed=feed_of() if source is FeedSource.GENERATED else None)
    stage.hidden_posts.posts = {post(1)}
    if source is FeedSource.CACHE:
        await stage.cache.put(feed_of())
    if source is FeedSource.ARCHIVE:
        await stage.archive.put(feed_of())
    if source is FeedSource.STALE:
        await stage.archive.put(stale_feed_of())

    page = await page_from(stage)

    assert (posts_of(page), page.source) == ([2, 3], source)


async def test_hidden_posts_are_on_no_next_page_and_not_among_popular_posts() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(posts=range(1, 8)))
    stage.hidden_posts.posts = {post(4), post(101)}

    first = await page_from(stage)
    second = await page_from(stage, request=replace(ASKED, after=first.next))
    popular = await page_from(stage, request=FeedRequest("nobody", limit=2))

    assert posts_of(second) == [3, 5]
    assert posts_of(popular) == [102, 103]


async def test_a_post_that_is_shown_again_is_where_it_was() -> None:
    stage = Stage()
    await stage.cache.put(feed_of())
    stage.hidden_posts.posts = {post(1)}
    await page_from(stage)

    stage.hidden_posts.posts = set()

    assert posts_of(await page_from(stage)) == [1, 2]


def seen(stage: Stage, *posts: int, sequence: int = 8) -> None:
    """Anna has just done something with these posts."""
    stage.sequences.sequences[ANNA] = sequence
    change = UserChange(ANNA, sequence, tuple(map(post, posts)))
    stage.archive.changes[ANNA] = stage.seen_posts.held[ANNA] = change


@pytest.mark.parametrize("source", [FeedSource.CACHE, FeedSource.ARCHIVE])
async def test_posts_just_seen_are_left_out_at_once_and_the_feed_is_renewed_meanwhile(source: FeedSource) -> None:
    stage = Stage()
    await (stage.cache if source is FeedSource.CACHE else stage.archive).put(replace(feed_of(), built_sequence=7))
    seen(stage, 1)

    page = await page_from(stage)

    assert (posts_of(page), page.source, page.sequence) == ([2, 3], source, 7)
    assert (stage.queue.messages, stage.renewals.noted) == ([], {ANNA})


@pytest.mark.parametrize(("minutes", "renewed"), [(4, set()), (5, {ANNA})])
async def test_a_feed_that_has_aged_is_served_and_renewed_for_who_only_reads(minutes: int, renewed: set[UUID]) -> None:
    stage = Stage(renew_after=timedelta(minutes=5))
    await stage.cache.put(feed_of())
    stage.clock.moment = NOON + timedelta(minutes=minutes)

    page = await page_from(stage)

    assert (posts_of(page), page.source) == ([1, 2], FeedSource.CACHE)
    assert stage.renewals.noted == renewed


async def test_a_feed_that_knows_of_what_was_seen_goes_out_as_it_is() -> None:
    stage = Stage()
    await stage.cache.put(replace(feed_of(), built_sequence=8))
    seen(stage, 1)

    page = await page_from(stage)

    assert (posts_of(page), page.left_out) == ([1, 2], "")
    assert stage.renewals.noted == set()


async def test_posts_just_seen_are_left_out_of_next_pages_of_stale_feeds_and_of_popular_posts() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(posts=range(1, 6)))
    first = await page_from(stage)
    seen(stage, 3, 101)
    second = await page_from(stage, request=replace(ASKED, after=first.next))
    stage.clock.advance(seconds=25 * 3600)
    stale = await page_from(stage, request=replace(ASKED, limit=9))
    stage.cache.feeds.clear()
    popular = await page_from(stage, Patience(0.0, fallback=True))

    assert posts_of(second) == [4, 5]
    assert (posts_of(stale), stale.source) == ([1, 2, 4, 5], FeedSource.STALE)
    assert (posts_of(popular), popular.source) == ([102, 103], FeedSource.POPULAR)


async def test_every_caller_is_a_visitor() -> None:
    stage = Stage()
    await stage.cache.put(feed_of())

    await page_from(stage)

    assert stage.visits.noted == {ANNA}


WRITTEN = replace(ASKED, min_seq=8)


async def test_a_feed_that_knows_of_what_the_caller_wrote_is_served_and_postgres_is_not_asked() -> None:
    stage = Stage()
    await stage.cache.put(replace(feed_of(), built_sequence=8))
    stage.stop_postgres()

    page = await page_from(stage, request=WRITTEN)

    assert (page.source, page.sequence) == (FeedSource.CACHE, 8)


async def test_what_others_did_since_does_not_make_a_feed_worse() -> None:
    stage = Stage()
    await stage.cache.put(replace(feed_of(), built_sequence=5))
    seen(stage, 1, sequence=5)
    stage.sequences.of_all = 100

    page = await page_from(stage, request=WRITTEN)

    assert (page.source, page.sequence) == (FeedSource.CACHE, 5)


async def test_who_has_just_written_waits_for_a_feed_that_knows_of_it() -> None:
    stage = Stage(next_feed=replace(feed_of(posts=(4, 5, 6), generation=2), built_sequence=8))
    await stage.cache.put(replace(feed_of(generation=1), built_sequence=7))
    seen(stage, 1)

    page = await page_from(stage, LONG, WRITTEN)

    assert (posts_of(page), page.source, page.sequence) == ([4, 5], FeedSource.GENERATED, 8)
    assert stage.queue.messages == [MESSAGE]


async def test_a_job_that_was_joined_and_had_read_too_early_is_followed_by_another() -> None:
    stage = Stage()
    enqueued = enqueued_at(stage)
    await stage.cache.put(replace(feed_of(generation=1), built_sequence=6))
    await stage.archive.put(replace(feed_of(generation=1), built_sequence=6))
    await stage.queue.submit(MESSAGE)
    enqueued.clear()
    seen(stage, 1)
    stage.next_feed = replace(feed_of(generation=2), built_sequence=7)

    async with asyncio.timeout(5):
        stage.signals.somebody_listens.clear()
        asking = asyncio.create_task(page_from(stage, Patience(1000.0), WRITTEN))
        await stage.signals.somebody_listens.wait()
        await stage.work(MESSAGE)
        await enqueued.wait()
        stage.next_feed = replace(feed_of(posts=(4, 5), generation=3), built_sequence=8)
        await stage.work(MESSAGE)
        page = await asking

    assert (posts_of(page), page.source, page.sequence) == ([4, 5], FeedSource.GENERATED, 8)
    assert stage.queue.messages == [MESSAGE, MESSAGE]


async def test_out_of_patience_who_has_just_written_takes_a_ticket_that_keeps_the_number() -> None:
    stage = Stage()
    await stage.cache.put(replace(feed_of(), built_sequence=7))
    seen(stage, 1)

    answer = await ask(stage, request=WRITTEN)

    assert isinstance(answer, JobReport)
    assert (answer.ticket.request, answer.ticket.newer_than) == (WRITTEN, feed_of().order)


async def test_who_would_rather_have_anything_than_a_ticket_is_told_that_the_feed_lacks_something() -> None:
    stage = Stage()
    await stage.cache.put(replace(feed_of(), built_sequence=7))
    seen(stage, 1)

    page = await page_from(stage, Patience(0.0, fallback=True), WRITTEN)

    assert (posts_of(page), page.source, page.sequence) == ([2, 3], FeedSource.STALE, 7)


async def test_while_postgres_is_away_the_feed_that_may_lack_something_is_served_with_a_mark() -> None:
    stage = Stage()
    await stage.cache.put(replace(feed_of(), built_sequence=7))
    stage.stop_postgres()

    page = await page_from(stage, request=WRITTEN)

    assert (page.source, page.sequence) == (FeedSource.STALE, 7)


@pytest.mark.parametrize("feeds", [[], [feed_of()]], ids=["without a feed", "with one"])
async def test_a_number_that_was_never_given_is_refused_naming_the_last(feeds: list[Feed]) -> None:
    stage = Stage()
    for feed in feeds:
        await stage.cache.put(feed)
    stage.sequences.of_all = 7

    with pytest.raises(SequenceUnknown, match="no interactions have the sequence 8 yet: the last one is 7"):
        await ask(stage, request=WRITTEN)

    assert stage.queue.messages == []


async def test_who_just_wrote_for_the_first_time_is_no_stranger_any_more() -> None:
    stage = Stage(next_feed=replace(feed_of(), built_sequence=8))
    await stage.cache.mark_cold(ANNA)
    seen(stage, 1)

    page = await page_from(stage, LONG, WRITTEN)

    assert page.source is FeedSource.GENERATED


async def test_of_a_next_page_the_number_says_nothing() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(posts=range(1, 6)))
    first = await page_from(stage)

    page = await page_from(stage, request=replace(WRITTEN, after=first.next))

    assert posts_of(page) == [3, 4]


SESSION = FeedRequest("session", limit=2, recent_post_ids=(post(7), post(8)))
OF_SESSION = GenerateMessage(to_uuid("session"), "request-1", (post(7), post(8)))


async def test_a_session_is_no_stranger_its_posts_travel_with_the_job_and_it_is_no_visit() -> None:
    stage = Stage(next_feed=feed_of("session", posts=(1, 2, 3)))

    page = await page_from(stage, LONG, SESSION)

    assert (posts_of(page), page.source) == ([1, 2], FeedSource.GENERATED)
    assert stage.queue.messages == [OF_SESSION]
    assert stage.visits.noted == set()


async def test_a_session_that_asks_again_is_answered_from_the_cache_also_after_it_was_taken_for_a_stranger() -> None:
    stage = Stage()
    await stage.cache.mark_cold(SESSION.user_id)
    await stage.cache.put_provisional(feed_of("session"))

    page = await page_from(stage, NO_TIME, SESSION)

    assert page.source is FeedSource.CACHE
    assert stage.queue.messages == []


async def test_a_session_s_list_is_never_renewed_behind_the_answer_as_for_a_user() -> None:
    stage = Stage(renew_after=timedelta(minutes=1))
    await stage.cache.put(feed_of("session"))
    stage.clock.moment = NOON + timedelta(minutes=2)

    page = await page_from(stage, NO_TIME, SESSION)

    assert (page.source, stage.renewals.noted) == (FeedSource.CACHE, set())


async def test_a_session_out_of_patience_takes_a_ticket_with_its_posts() -> None:
    stage = Stage()

    answer = await ask(stage, NO_TIME, SESSION)

    assert isinstance(answer, JobReport)
    assert answer.ticket.request == SESSION


async def test_who_has_just_written_takes_a_ticket_also_when_the_job_is_given_up() -> None:
    stage = Stage()
    await stage.cache.put(replace(feed_of(), built_sequence=7))
    seen(stage, 1)
    enqueued = enqueued_at(stage)

    async with asyncio.timeout(5):
        asking = asyncio.create_task(ask(stage, Patience(1000.0), WRITTEN))
        await enqueued.wait()
        await FailJob(stage.tickets, stage.queue, stage.signals)(ANNA, "it broke")
        answer = await asking

    assert isinstance(answer, JobReport)
