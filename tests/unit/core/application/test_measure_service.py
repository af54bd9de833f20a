"""What the service is measured by, whatever is away."""

from dataclasses import replace
from uuid import UUID

from core.application.measure_service import MeasureService
from core.domain.levels import DueLevel, FeedStock
from tests.builders import NOON, feed_of, popular_feed_of, stale_feed_of
from tests.fakes.clock import FakeClock
from tests.fakes.due_users import FakeDueUsers
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.popular_posts import FakePopularPosts
from tests.fakes.queue_levels import FakeQueueLevels
from tests.fakes.stored_feeds import FakeStoredFeeds


def measuring() -> MeasureService:
    return MeasureService(
        FakeQueueLevels(),
        FakeModelRegistry(),
        FakePopularPosts(feed=popular_feed_of(1)),
        FakeStoredFeeds(),
        FakeClock(),
        FakeDueUsers({UUID(int=1)}),
    )


async def test_queues_model_popular_posts_and_feeds_are_measured() -> None:
    archive = FakeFeedArchive()
    for feed in (feed_of("anna"), feed_of("ben"), stale_feed_of("cleo")):
        await archive.put(feed)
    measure = replace(measuring(), stored_feeds=FakeStoredFeeds(archive))

    levels = await measure()

    assert levels.queues == await measure.queue_levels.read()
    assert levels.serves is not None
    assert levels.serves.serving.model is None
    assert levels.serves.popular_computed_at == NOON
    assert levels.due == DueLevel(users=1)
    assert levels.feeds == FeedStock(fresh=2, stale=1, oldest_generated_at=NOON)


async def test_without_redis_the_rest_is_measured() -> None:
    levels = await replace(measuring(), queue_levels=FakeQueueLevels(unavailable=True))()

    assert levels.queues is None
    assert levels.serves is not None
    assert levels.feeds is not None


async def test_without_postgres_the_queues_are_measured() -> None:
    measure = replace(
        measuring(), registry=FakeModelRegistry(unavailable=True), stored_feeds=FakeStoredFeeds(unavailable=True)
    )

    levels = await measure()

    assert levels.queues is not None
    assert levels.serves is None
    assert levels.feeds is None
