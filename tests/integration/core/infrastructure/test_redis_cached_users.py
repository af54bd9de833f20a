"""All that is cached of a user, in one look."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from core.domain.cached_user import CachedUser
from core.domain.errors import CacheUnavailable
from core.domain.user_change import UserChange
from core.infrastructure.gathered_reads import GatheredReads
from core.infrastructure.redis_cached_users import RedisCachedUsers
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache, feed_key
from core.infrastructure.redis_seen_posts import RedisSeenPosts, seen_key
from tests.builders import feed_of, post

OTHER = uuid4()


def users_in(client: Any) -> RedisCachedUsers:
    return RedisCachedUsers(GatheredReads(client, CacheUnavailable))


async def test_feed_seen_posts_and_coldness_are_read_in_one_round_trip(client: Any) -> None:
    now = datetime.now(UTC)
    feed = replace(feed_of(posts=(1, 2)), generated_at=now, expires_at=now + timedelta(hours=1))
    change = UserChange(feed.user_id, 7, (post(1),))
    cache = RedisFeedCache(client)
    await cache.put(feed)
    await cache.mark_cold(OTHER)
    await RedisSeenPosts(client).add([change])
    before = (await client.info("commandstats")).get("cmdstat_mget", {"calls": 0})["calls"]

    held = await users_in(client).get(feed.user_id)

    assert (await client.info("commandstats"))["cmdstat_mget"]["calls"] == before + 1
    assert held == CachedUser(feed, change, is_cold=False)
    assert await users_in(client).get(OTHER) == CachedUser(is_cold=True)


async def test_of_a_user_nobody_knows_nothing_is_held(client: Any) -> None:
    assert await users_in(client).get(uuid4()) == CachedUser()


async def test_values_that_nobody_here_wrote_count_as_forgotten(client: Any) -> None:
    await client.set(feed_key(OTHER), b"something else")
    await client.set(seen_key(OTHER), b"something else")

    assert await users_in(client).get(OTHER) == CachedUser()


async def test_a_server_that_is_away_is_told() -> None:
    async with open_redis("redis://127.0.0.1:1/0") as absent:
        with pytest.raises(CacheUnavailable):
            await users_in(absent).get(OTHER)
