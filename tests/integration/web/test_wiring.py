"""The process's parts over real servers."""

import pytest

from core.application.job_report import JobReport
from core.domain.errors import ConfigurationError
from core.domain.feed import FeedSource
from core.domain.job import FeedRequest, JobState, Patience
from core.domain.page import FeedPage
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.system_clock import SystemClock
from core.settings import Settings
from tests.builders import FRESH_FOR, NOON, USER, feed_of
from tests.integration.web.serving import interact
from web.wiring import open_use_cases

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
ASKED = FeedRequest(USER, limit=2)


@pytest.fixture
def settings(migrated_database_url: str, redis_url: str, broker_url: str) -> Settings:
    return Settings(database_url=migrated_database_url, redis_url=redis_url, broker_url=broker_url)


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
