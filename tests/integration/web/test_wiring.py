"""The process's parts over real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from core.application.job_report import JobReport
from core.domain.errors import ConfigurationError, Overloaded
from core.domain.event import Event
from core.domain.feed import FeedSource
from core.domain.ids import to_uuid
from core.domain.interaction import InteractionType
from core.domain.job import FeedRequest, JobState, Patience, Queue
from core.domain.page import FeedPage
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_feed_signals import RedisFeedSignals
from core.infrastructure.redis_renewal_requests import RedisRenewalRequests
from core.infrastructure.redis_visits import RedisVisits
from core.infrastructure.redis_worker_presence import RedisWorkerPresence
from core.infrastructure.system_clock import SystemClock
from core.settings import Settings
from tests.builders import FRESH_FOR, NOON, USER, feed_of, post
from tests.integration.web.serving import interact
from web.wiring import UseCases, open_use_cases

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
ASKED = FeedRequest(USER, limit=2)
CROWD = 1000
WITHIN_SECONDS = 120.0


@pytest.fixture
def settings(migrated_database_url: str, redis_url: str, broker_url: str) -> Settings:
    return Settings(database_url=migrated_database_url, redis_url=redis_url, broker_url=broker_url)


@pytest.fixture
def crowded(settings: Settings) -> Settings:
    """Everybody gets through to the servers, however slow the machine is."""
    return msgspec.structs.replace(
        settings,
        database_pool_size=16,
        database_timeout_seconds=WITHIN_SECONDS,
        redis_timeout_seconds=WITHIN_SECONDS,
        waiters_at_most=CROWD,
    )


@asynccontextmanager
async def waiting_crowd(settings: Settings) -> AsyncIterator[tuple[UseCases, list[asyncio.Task[Any]], Any]]:
    """All of them sit and wait for one user's feed, of which a worker that gives signs of life makes none."""
    async with (
        open_use_cases(settings) as use_cases,
        open_redis(settings.broker_url, timeout_seconds=WITHIN_SECONDS) as broker,
    ):
        await RedisWorkerPresence(broker, "a-worker").beat(Queue.FEEDS)
        asking = [
            asyncio.create_task(use_cases.recommend_posts(ASKED, Patience(WITHIN_SECONDS), f"request-{number}"))
            for number in range(CROWD)
        ]
        async with asyncio.timeout(WITHIN_SECONDS):
            while use_cases.recommend_posts.waiting_room._free > 0:
                await broker.ping()
        yield use_cases, asking, broker


def has_forgotten_all(use_cases: UseCases) -> bool:
    recommend_posts = use_cases.recommend_posts
    assert isinstance(recommend_posts.signals, RedisFeedSignals)
    return recommend_posts.signals._ears == {} and recommend_posts.waiting_room._free == CROWD


async def test_with_all_servers_there_only_worker_and_model_are_missing(settings: Settings) -> None:
    async with open_use_cases(settings) as use_cases:
        assert await use_cases.find_degradations() == ["workers: none alive", "model: none yet"]


async def test_a_ticket_is_honoured_by_the_feed_that_comes(settings: Settings) -> None:
    await interact(settings.database_url, ASKED.user_id)

    async with open_use_cases(settings) as use_cases, open_redis(settings.redis_url) as client:
        taken = await use_cases.recommend_posts(ASKED, Patience(0.0), "request-1")
        assert isinstance(taken, JobReport)
        waiting = await use_cases.get_job(taken.ticket.id, "request-2")
        since_noon = SystemClock().now() - NOON
        await RedisFeedCache(client).put(feed_of(valid_for=since_noon + FRESH_FOR))
        done = await use_cases.get_job(taken.ticket.id, "request-3")

    assert waiting.state is JobState.QUEUED
    assert done.state is JobState.SUCCEEDED
    assert done.page is not None
    assert len(done.page.recommendations) == 2


async def test_a_ticket_is_honoured_where_it_was_taken_while_postgres_is_away(settings: Settings) -> None:
    await interact(settings.database_url, ASKED.user_id)

    async with (
        open_use_cases(settings) as use_cases,
        open_pool(NOWHERE) as nowhere,
        open_redis(settings.redis_url) as client,
    ):
        taken = await use_cases.recommend_posts(ASKED, Patience(0.0), "request-1")
        assert isinstance(taken, JobReport)
        use_cases.get_job.tickets._tickets._pool = nowhere
        since_noon = SystemClock().now() - NOON
        await RedisFeedCache(client).put(feed_of(valid_for=since_noon + FRESH_FOR))
        done = await use_cases.get_job(taken.ticket.id, "request-2")

    assert done.state is JobState.SUCCEEDED


async def test_of_a_thousand_callers_at_once_one_makes_the_job_and_each_takes_a_ticket(crowded: Settings) -> None:
    await interact(crowded.database_url, ASKED.user_id)
    no_waiting = Patience(0.0, respond_async=True)

    async with open_use_cases(crowded) as use_cases, open_redis(crowded.broker_url) as broker:
        asking = (use_cases.recommend_posts(ASKED, no_waiting, f"request-{number}") for number in range(CROWD))
        answers = await asyncio.gather(*asking)
        jobs = await broker.llen("dramatiq:feeds")

    assert jobs == 1
    assert len({answer.ticket.id for answer in answers if isinstance(answer, JobReport)}) == CROWD


async def test_of_a_thousand_who_wait_all_are_woken_by_the_one_feed(crowded: Settings) -> None:
    await interact(crowded.database_url, ASKED.user_id)

    async with waiting_crowd(crowded) as (use_cases, asking, broker):
        since_noon = SystemClock().now() - NOON
        async with open_redis(crowded.redis_url) as client:
            await RedisFeedCache(client).put(feed_of(valid_for=since_noon + FRESH_FOR))
        answers = await asyncio.gather(*asking)
        jobs = await broker.llen("dramatiq:feeds")

    assert {answer.source for answer in answers if isinstance(answer, FeedPage)} == {FeedSource.GENERATED}
    assert len(answers) == CROWD
    assert jobs == 1
    assert has_forgotten_all(use_cases)


async def test_of_a_thousand_who_go_away_nothing_is_left_but_the_job(crowded: Settings) -> None:
    await interact(crowded.database_url, ASKED.user_id)

    async with waiting_crowd(crowded) as (use_cases, asking, broker):
        for caller in asking:
            caller.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        jobs = await broker.llen("dramatiq:feeds")

    assert jobs == 1
    assert has_forgotten_all(use_cases)


async def test_over_the_backlog_only_what_must_be_generated_is_refused(settings: Settings) -> None:
    other, third = FeedRequest("berta", limit=2), FeedRequest("clara", limit=2)
    for request in (ASKED, other, third):
        await interact(settings.database_url, request.user_id)
    full = msgspec.structs.replace(settings, backlog_at_most=1)
    now = Patience(0.0)

    async with open_use_cases(full) as use_cases, open_redis(full.redis_url) as client:
        await use_cases.recommend_posts(ASKED, now, "request-1")
        a_minute_ago = SystemClock().now() - NOON - timedelta(minutes=1)
        await RedisFeedCache(client).put(feed_of("clara", valid_for=a_minute_ago))
        with pytest.raises(Overloaded) as refused:
            await use_cases.recommend_posts(other, now, "request-2")
        popular = await use_cases.recommend_posts(other, Patience(0.0, fallback=True), "request-3")
        stored = await use_cases.recommend_posts(third, now, "request-4")
        joined = await use_cases.recommend_posts(ASKED, now, "request-5")

    assert refused.value.retry_after_seconds == 1
    assert isinstance(popular, FeedPage)
    assert isinstance(stored, FeedPage)
    assert (popular.source, stored.source) == (FeedSource.POPULAR, FeedSource.STALE)
    assert isinstance(joined, JobReport)


async def test_what_was_just_seen_is_left_out_of_the_next_answer_and_workers_hear_of_it(settings: Settings) -> None:
    moment = SystemClock().now()
    seen = Event(0, uuid4(), USER, str(post(1)), to_uuid(USER), post(1), InteractionType.LIKE, moment, is_timed=False)

    async with open_use_cases(settings) as use_cases, open_redis(settings.redis_url) as client:
        await RedisFeedCache(client).put(feed_of(posts=(1, 2, 3), valid_for=moment - NOON + FRESH_FOR))
        before = await use_cases.recommend_posts(ASKED, Patience(0.0), "request-1")
        receipt = await use_cases.record_interactions([seen])
        after = await use_cases.recommend_posts(ASKED, Patience(0.0), "request-2")
        async with asyncio.timeout(10):
            while not (asked := await RedisRenewalRequests(client).take(10)):
                await client.ping()
        waiting = await use_cases.recommend_posts(replace(ASKED, min_seq=receipt.sequence), Patience(0.0), "request-3")

    assert isinstance(before, FeedPage)
    assert isinstance(after, FeedPage)
    assert [item.post_id for item in before.recommendations] == [post(1), post(2)]
    assert [item.post_id for item in after.recommendations] == [post(2), post(3)]
    assert after.source is FeedSource.CACHE
    assert list(asked) == [to_uuid(USER)]
    assert isinstance(waiting, JobReport)


async def test_a_post_hidden_by_one_process_is_served_by_no_other(settings: Settings) -> None:
    async with (
        open_use_cases(settings) as one,
        open_use_cases(settings) as other,
        open_redis(settings.redis_url) as client,
    ):
        since_noon = SystemClock().now() - NOON
        await RedisFeedCache(client).put(feed_of(posts=(1, 2, 3), valid_for=since_noon + FRESH_FOR))

        await one.hide_post(post(1), hidden=True, expires_at=None)
        here = await one.recommend_posts(ASKED, Patience(0.0), "request-1")
        async with asyncio.timeout(10):
            while post(1) not in other.hide_post.hidden_posts.current():
                await client.ping()
        there = await other.recommend_posts(ASKED, Patience(0.0), "request-2")

    for page in (here, there):
        assert isinstance(page, FeedPage)
        assert [item.post_id for item in page.recommendations] == [post(2), post(3)]


async def test_who_asks_is_a_visitor_for_all_processes(settings: Settings) -> None:
    async with open_use_cases(settings) as use_cases, open_redis(settings.redis_url) as client:
        await use_cases.recommend_posts(ASKED, Patience(0.0), "request-1")
        visits = RedisVisits(client)
        async with asyncio.timeout(10):
            while not await visits.recent_among([ASKED.user_id]):
                await client.ping()


async def test_a_stranger_is_recognised(settings: Settings) -> None:
    async with open_use_cases(settings) as use_cases:
        answer = await use_cases.recommend_posts(FeedRequest("nobody", 2), Patience(0.0), "request-1")

    assert isinstance(answer, FeedPage)
    assert answer.source is FeedSource.POPULAR


async def test_while_every_server_is_away_it_opens_and_answers() -> None:
    settings = Settings(database_url=NOWHERE, redis_url="redis://127.0.0.1:1/0")

    async with open_use_cases(settings) as use_cases:
        answer = await use_cases.recommend_posts(ASKED, Patience(25.0), "request-1")
        degraded = await use_cases.find_degradations()

    assert isinstance(answer, FeedPage)
    assert answer.source is FeedSource.POPULAR
    assert degraded == ["redis: unreachable", "queue: unreachable", "postgres: unreachable"]


@pytest.mark.parametrize("database_url", ["", "mysql://x"])
async def test_without_a_usable_database_url_it_does_not_open(database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        async with open_use_cases(Settings(database_url=database_url)):
            raise AssertionError("it opened")
