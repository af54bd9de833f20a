"""The cache's promises, kept by the fake and by Redis; and what only Redis can show."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from core.application.ports.feed_cache import FeedCache
from core.domain.errors import CacheUnavailable
from core.domain.feed import Feed, FeedOrder, Reason, Recommendation
from core.infrastructure.page_rendering import RenderedStart, render_start
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import (
    COLD_SECONDS,
    FEEDS_A_ROUND_TRIP,
    KEPT_AFTER_EXPIRY,
    READY_CHANNEL,
    RedisFeedCache,
    feed_key,
)
from tests.fakes.feed_cache import FakeFeedCache

NOBODY_LISTENS_THERE = "redis://127.0.0.1:1/0"


@pytest.fixture(params=["fake", "redis"])
def cache(request: pytest.FixtureRequest) -> FeedCache:
    return FakeFeedCache() if request.param == "fake" else RedisFeedCache(request.getfixturevalue("client"))


@asynccontextmanager
async def absent_cache(kind: str) -> AsyncIterator[FeedCache]:
    """A cache whose server does not answer."""
    if kind == "fake":
        yield FakeFeedCache(unavailable=True)
        return
    async with open_redis(NOBODY_LISTENS_THERE) as client:
        yield RedisFeedCache(client)


def feed_of(user_id: UUID, epoch: int = 1, generation: int = 1, expires_in: timedelta = timedelta(hours=24)) -> Feed:
    now = datetime.now(UTC)
    foreign = uuid4()
    return Feed(
        user_id=user_id,
        recommendations=(
            Recommendation(foreign, 1.0, Reason.COLLABORATIVE_FILTERING),
            Recommendation(uuid4(), 0.333333, Reason.POPULAR),
        ),
        model_version="collaborative_filtering_v3",
        order=FeedOrder(epoch, generation),
        generated_at=now,
        expires_at=now + expires_in,
        built_up_to=now - timedelta(microseconds=1),
        built_sequence=2**62,
        external_ids={foreign: "post-é"},
    )


async def test_a_provisional_feed_is_held_where_there_is_none(cache: FeedCache) -> None:
    feed = feed_of(uuid4(), generation=0, expires_in=timedelta(minutes=5))

    assert await cache.put_provisional(feed)
    assert await cache.get(feed.user_id) == feed


async def test_a_provisional_feed_replaces_none_of_whatever_order(cache: FeedCache) -> None:
    held = feed_of(uuid4(), epoch=1, expires_in=timedelta(minutes=-30))
    await cache.put(held)

    assert not await cache.put_provisional(feed_of(held.user_id, epoch=2, generation=0))
    assert await cache.get(held.user_id) == held


async def test_any_feed_of_its_epoch_replaces_a_provisional_one(cache: FeedCache) -> None:
    provisional = feed_of(uuid4(), epoch=2, generation=0)
    await cache.put_provisional(provisional)
    feed = feed_of(provisional.user_id, epoch=2, generation=1)

    assert await cache.put(feed)
    assert await cache.get(feed.user_id) == feed


async def test_whoever_listens_can_be_told_to_look_without_a_feed(client: Any) -> None:
    user_id = uuid4()
    async with client.pubsub() as subscription:
        await subscription.subscribe(READY_CHANNEL)
        await subscription.get_message(timeout=5)
        await RedisFeedCache(client).announce(user_id)
        heard = await subscription.get_message(timeout=5)

    assert heard["data"] == str(user_id).encode()


async def test_whoever_listens_hears_of_a_provisional_feed_and_it_is_forgotten_when_it_expires(client: Any) -> None:
    feed = feed_of(uuid4(), generation=0, expires_in=timedelta(minutes=5))
    async with client.pubsub() as subscription:
        await subscription.subscribe(READY_CHANNEL)
        await subscription.get_message(timeout=5)
        await RedisFeedCache(client).put_provisional(feed)
        heard = await subscription.get_message(timeout=5)

    assert heard["data"] == str(feed.user_id).encode()
    assert 0 < await client.pttl(feed_key(feed.user_id)) <= 300_000


async def test_what_was_put_is_got_back_whole(cache: FeedCache) -> None:
    feed = feed_of(uuid4())

    stored = await cache.put(feed)

    assert stored
    assert await cache.get(feed.user_id) == feed


async def test_a_feed_comes_back_with_its_first_page_as_it_goes_out(client: Any) -> None:
    feed = replace(feed_of(uuid4()), compute_ms=7.5)
    cache = RedisFeedCache(client, first_page_limit=1)

    await cache.put(feed)

    held = await cache.get(feed.user_id)
    assert held is not None
    assert held.compute_ms == 7.5
    assert held.first_page is not None
    assert held.first_page.limit == 1
    start = cast(RenderedStart, held.first_page.rendering)
    assert start.text() == render_start(feed.recommendations[:1], feed.external_ids, feed.model_version)


async def test_a_deep_feed_takes_forty_bytes_a_recommendation_and_two_hundred_more(client: Any) -> None:
    items = tuple(Recommendation(uuid4(), place / 150, Reason.POPULAR) for place in range(150, 0, -1))
    feed = replace(feed_of(uuid4()), recommendations=items, external_ids={})

    await RedisFeedCache(client).put(feed)

    assert await client.memory_usage(feed_key(feed.user_id)) <= 40 * len(items) + 200


async def test_of_many_feeds_put_at_once_those_of_a_lower_order_lose(cache: FeedCache) -> None:
    feeds = [feed_of(uuid4()) for _ in range(2 * FEEDS_A_ROUND_TRIP + 1)]
    newer = feed_of(feeds[0].user_id, generation=2)
    await cache.put(newer)

    await cache.put_many(feeds)
    await cache.put_many([])

    assert [await cache.get(feed.user_id) for feed in feeds] == [newer, *feeds[1:]]


async def test_of_many_feeds_put_at_once_nobody_hears_and_each_is_forgotten_in_time(client: Any) -> None:
    feed = feed_of(uuid4())
    async with client.pubsub() as subscription:
        await subscription.subscribe(READY_CHANNEL)
        await subscription.get_message(timeout=5)
        await RedisFeedCache(client).put_many([feed])
        await RedisFeedCache(client).announce(UUID(int=1))
        heard = await subscription.get_message(timeout=5)

    assert heard["data"] == str(UUID(int=1)).encode()
    assert 24 * 3600 * 1000 < await client.pttl(feed_key(feed.user_id)) <= 25 * 3600 * 1000


async def test_an_empty_feed_of_a_user_without_moments_is_a_feed_too(cache: FeedCache) -> None:
    feed = replace(feed_of(uuid4()), recommendations=(), built_up_to=None, external_ids={})

    await cache.put(feed)

    assert await cache.get(feed.user_id) == feed


async def test_a_user_without_a_feed_has_none(cache: FeedCache) -> None:
    await cache.put(feed_of(uuid4()))

    assert await cache.get(uuid4()) is None


@pytest.mark.parametrize("older", [(1, 9), (0, 11), (1, 2)])
async def test_a_feed_of_a_lower_order_loses(cache: FeedCache, older: tuple[int, int]) -> None:
    user_id = uuid4()
    newer = feed_of(user_id, 1, 10)
    await cache.put(newer)

    stored = await cache.put(feed_of(user_id, *older))

    assert not stored
    assert await cache.get(user_id) == newer


@pytest.mark.parametrize("newer", [(1, 10), (2, 1), (1, 2**62)])
async def test_a_feed_of_a_higher_order_replaces_the_held_one(cache: FeedCache, newer: tuple[int, int]) -> None:
    user_id = uuid4()
    await cache.put(feed_of(user_id, 1, 9))

    stored = await cache.put(feed_of(user_id, *newer))

    held = await cache.get(user_id)
    assert stored
    assert held is not None
    assert held.order == newer


async def test_the_same_feed_may_be_put_again(cache: FeedCache) -> None:
    feed = feed_of(uuid4())
    await cache.put(feed)

    assert await cache.put(feed)


async def test_an_expired_feed_is_still_held_for_a_while(cache: FeedCache) -> None:
    feed = feed_of(uuid4(), expires_in=timedelta(minutes=-1))

    await cache.put(feed)

    assert await cache.get(feed.user_id) == feed


async def test_a_user_is_cold_only_once_marked(cache: FeedCache) -> None:
    user_id = uuid4()

    before = await cache.is_cold(user_id)
    await cache.mark_cold(user_id)

    assert not before
    assert await cache.is_cold(user_id)
    assert not await cache.is_cold(uuid4())


@pytest.mark.parametrize("kind", ["fake", "redis"])
@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.get(uuid4()),
        lambda cache: cache.put(feed_of(uuid4())),
        lambda cache: cache.put_provisional(feed_of(uuid4())),
        lambda cache: cache.announce(uuid4()),
        lambda cache: cache.is_cold(uuid4()),
        lambda cache: cache.mark_cold(uuid4()),
    ],
    ids=["get", "put", "put_provisional", "announce", "is_cold", "mark_cold"],
)
async def test_without_its_server_every_call_says_so(kind: str, call: Callable[[FeedCache], Any]) -> None:
    async with absent_cache(kind) as cache:
        with pytest.raises(CacheUnavailable):
            await call(cache)


async def test_a_feed_leaves_redis_an_hour_after_its_expiry(client: Any) -> None:
    feed = feed_of(uuid4())

    await RedisFeedCache(client).put(feed)

    expected = (timedelta(hours=24) + KEPT_AFTER_EXPIRY).total_seconds()
    assert expected - 60 < await client.ttl(feed_key(feed.user_id)) <= expected


async def test_a_feed_expired_long_ago_leaves_no_key_without_an_end(client: Any) -> None:
    feed = feed_of(uuid4(), expires_in=timedelta(days=-2))

    await RedisFeedCache(client).put(feed)

    assert await client.pttl(feed_key(feed.user_id)) in {-2, 0, 1}


async def test_a_cold_marker_is_short_lived(client: Any) -> None:
    user_id = uuid4()

    await RedisFeedCache(client).mark_cold(user_id)

    assert 0 < await client.ttl(f"cold:{user_id}") <= COLD_SECONDS


@pytest.mark.parametrize("generation", [1, 3])
async def test_whoever_listens_hears_of_a_put_whether_it_wins_or_loses(client: Any, generation: int) -> None:
    user_id = uuid4()
    cache = RedisFeedCache(client)
    await cache.put(feed_of(user_id, generation=2))
    async with client.pubsub() as subscription:
        await subscription.subscribe(READY_CHANNEL)
        assert (await subscription.get_message(timeout=5))["type"] == "subscribe"

        await cache.put(feed_of(user_id, generation=generation))

        message = await subscription.get_message(timeout=5)
    assert message["data"] == str(user_id).encode()


@pytest.mark.parametrize(
    "value", [b"", b"rubbish", b"9" * 40, b"9" * 40 + b"\xc1", b"x" * 60], ids=["empty", "short", "no body", "bad", "x"]
)
async def test_a_value_that_cannot_be_read_counts_as_forgotten(client: Any, value: bytes) -> None:
    user_id = uuid4()
    await client.set(feed_key(user_id), value)

    with capture_logs() as logs:
        found = await RedisFeedCache(client).get(user_id)

    assert found is None
    assert [line["event"] for line in logs] == ["cached_feed_not_readable"]


@pytest.mark.parametrize("value", [b"", b"rubbish", b"z" * 60], ids=["empty", "short", "long"])
async def test_a_value_that_is_no_feed_gives_way_to_one(client: Any, value: bytes) -> None:
    feed = feed_of(uuid4())
    cache = RedisFeedCache(client)
    await client.set(feed_key(feed.user_id), value)

    await cache.put(feed)

    assert await cache.get(feed.user_id) == feed


async def test_a_feed_whose_bytes_are_damaged_is_healed_by_putting_it_again(client: Any) -> None:
    feed = feed_of(uuid4())
    cache = RedisFeedCache(client)
    await cache.put(feed)
    await client.setrange(feed_key(feed.user_id), 40, b"\xc1\xc1")

    await cache.put(feed)

    assert await cache.get(feed.user_id) == feed


async def test_more_callers_than_connections_wait_their_turn(redis_url: str) -> None:
    async with open_redis(redis_url, timeout_seconds=5) as client:
        cache = RedisFeedCache(client)

        found = await asyncio.gather(*(cache.get(uuid4()) for _ in range(300)))

    assert found == [None] * 300


async def test_feeds_are_forgotten_but_for_newer_ones(cache: FeedCache) -> None:
    expired, renewed, other = (feed_of(uuid4(), epoch=1, generation=10) for _ in range(3))
    for feed in (expired, renewed, other):
        await cache.put(feed)

    await cache.forget({expired.user_id: FeedOrder(1, 10), renewed.user_id: FeedOrder(1, 9), uuid4(): FeedOrder(1, 1)})

    assert await cache.get(expired.user_id) is None
    assert await cache.get(renewed.user_id) == renewed
    assert await cache.get(other.user_id) == other


@pytest.mark.parametrize(("fresh_seconds", "kept_seconds"), [(900, 1800), (300, 600), (5, 305)])
async def test_what_was_to_be_fresh_for_minutes_is_kept_as_long_again_at_least_for_next_pages_and_not_for_an_hour(
    client: Any, fresh_seconds: int, kept_seconds: int
) -> None:
    feed = feed_of(uuid4(), expires_in=timedelta(seconds=fresh_seconds))

    await RedisFeedCache(client).put(feed)

    assert kept_seconds - 100 < await client.ttl(feed_key(feed.user_id)) <= kept_seconds
