"""Bulk generation as a caller sees it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.application.enqueue_active_users import BulkProgress, BulkRequest, EnqueueActiveUsers, FollowBulk
from core.domain.feed import Feed, FeedOrder
from core.domain.interaction import Interaction, InteractionType
from tests.fakes.active_users import FakeActiveUsers
from tests.fakes.clock import FakeClock
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.popular_posts import FakePopularPosts

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ANNA, BEN, CLEO = (UUID(int=number) for number in (1, 2, 3))
POSTS = [UUID(int=100 + number) for number in range(5)]


def views(user_id: UUID, count: int, days_ago: float) -> list[Interaction]:
    at = NOW - timedelta(days=days_ago)
    return [Interaction(user_id, post_id, InteractionType.VIEW, at) for post_id in POSTS[:count]]


def enqueuing(interactions: list[Interaction], queue: FakeJobQueue, archive: FakeFeedArchive) -> EnqueueActiveUsers:
    users = FakeActiveUsers(interactions, batch_size=1, clock=FakeClock())
    return EnqueueActiveUsers(users, FakePopularPosts(interactions), archive, queue, min_posts=5)


def feed_of(user_id: UUID, generation: int) -> Feed:
    return Feed(user_id, (), "collaborative_filtering_v1", FeedOrder(1, generation), NOW, NOW)


async def test_active_users_at_the_threshold_get_one_bulk_message_each() -> None:
    queue = FakeJobQueue()
    interactions = views(ANNA, 5, 0) + views(BEN, 4, 0) + views(CLEO, 5, 40)

    request = await enqueuing(interactions, queue, FakeFeedArchive())(30, "bulk-1")

    assert request.user_ids == (ANNA,)
    assert [(message.user_id, message.request_id) for message in queue.bulk_messages] == [(ANNA, "bulk-1")]
    assert not queue.messages


async def test_without_a_window_all_users_at_the_threshold_count_and_the_caller_hears_how_many() -> None:
    heard: list[int] = []
    interactions = views(ANNA, 5, 0) + views(CLEO, 5, 400)

    request = await enqueuing(interactions, FakeJobQueue(), FakeFeedArchive())(None, "bulk-1", heard.append)

    assert set(request.user_ids) == {ANNA, CLEO}
    assert heard == [1, 2]


async def test_a_user_is_done_once_a_feed_newer_than_the_request_is_stored() -> None:
    archive, queue = FakeFeedArchive(), FakeJobQueue()
    await archive.put(feed_of(ANNA, 7))
    interactions = views(ANNA, 5, 0) + views(BEN, 5, 0)
    request = await enqueuing(interactions, queue, archive)(None, "bulk-1")
    follow = FollowBulk(archive, queue)

    before = await follow(request)
    await archive.put(feed_of(ANNA, 8))
    half = await follow(request)
    await archive.put(feed_of(BEN, 9))
    after = await follow(request)

    assert request.after_generation == 7
    assert before == BulkProgress(0, 2, is_over=False)
    assert half == replace(before, done=1)
    assert after == BulkProgress(2, 2, is_over=True)


async def test_it_is_over_too_when_the_queue_is_empty_and_some_have_failed() -> None:
    request = BulkRequest((ANNA, BEN), after_generation=0)

    progress = await FollowBulk(FakeFeedArchive(), FakeJobQueue())(request)

    assert progress == BulkProgress(0, 2, is_over=True)
