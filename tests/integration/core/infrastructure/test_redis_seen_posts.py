"""Seen posts are merged, in the fake and in Redis."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.application.ports.seen_posts import SeenPosts
from core.domain.errors import CacheUnavailable
from core.domain.user_change import SEEN_AT_MOST, UserChange
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_seen_posts import KEPT_SECONDS, POST_BYTES, SEQUENCE_BYTES, RedisSeenPosts, seen_key
from tests.fakes.seen_posts import FakeSeenPosts

USER, OTHER = uuid4(), uuid4()
A, B, C = (UUID(int=number) for number in (1, 2, 3))


@dataclass
class Seen:
    """The posts and a look at what is held of a user: sequence and posts."""

    posts: SeenPosts
    of: Callable[[UUID], Awaitable[tuple[int, list[UUID]]]]


@pytest.fixture(params=["fake", "redis"])
def seen(request: pytest.FixtureRequest) -> Seen:
    if request.param == "fake":
        return fake_seen()
    client = request.getfixturevalue("client")

    async def of(user_id: UUID) -> tuple[int, list[UUID]]:
        value = await client.get(seen_key(user_id))
        posts = range(SEQUENCE_BYTES, len(value), POST_BYTES)
        return int.from_bytes(value[:SEQUENCE_BYTES]), [UUID(bytes=value[at : at + POST_BYTES]) for at in posts]

    return Seen(RedisSeenPosts(client), of)


def fake_seen() -> Seen:
    fake = FakeSeenPosts()

    async def of(user_id: UUID) -> tuple[int, list[UUID]]:
        return fake.held[user_id].sequence, list(fake.held[user_id].post_ids)

    return Seen(fake, of)


async def test_posts_of_each_user_are_remembered(seen: Seen) -> None:
    await seen.posts.add([UserChange(USER, 7, [A, B]), UserChange(OTHER, 8, [C])])

    assert await seen.of(USER) == (7, [A, B])
    assert await seen.of(OTHER) == (8, [C])


async def test_new_posts_come_before_those_that_are_there_and_none_comes_twice(seen: Seen) -> None:
    await seen.posts.add([UserChange(USER, 7, [A, B])])

    await seen.posts.add([UserChange(USER, 300, [C, A])])

    assert await seen.of(USER) == (300, [C, A, B])


async def test_adding_again_what_was_added_long_ago_keeps_the_higher_sequence(seen: Seen) -> None:
    await seen.posts.add([UserChange(USER, 256, [B])])

    await seen.posts.add([UserChange(USER, 255, [A])])

    assert await seen.of(USER) == (256, [A, B])


async def test_of_very_many_posts_the_newest_stay(seen: Seen) -> None:
    posts = [UUID(int=number) for number in range(1, SEEN_AT_MOST + 50)]
    await seen.posts.add([UserChange(USER, 1, posts)])

    await seen.posts.add([UserChange(USER, 2, [UUID(int=10_000)])])

    _, held = await seen.of(USER)
    assert held == [UUID(int=10_000), *posts[: SEEN_AT_MOST - 1]]


async def test_a_thousand_users_are_added_at_once(seen: Seen) -> None:
    users = [uuid4() for _ in range(1000)]

    await seen.posts.add([UserChange(user, 1, [A]) for user in users])

    assert [await seen.of(user) for user in users] == [(1, [A])] * 1000


@pytest.mark.parametrize("kind", ["fake", "redis"])
async def test_without_its_server_every_call_says_so(kind: str) -> None:
    async with open_redis("redis://127.0.0.1:1/0") as absent:
        posts = FakeSeenPosts(unavailable=True) if kind == "fake" else RedisSeenPosts(absent)

        with pytest.raises(CacheUnavailable):
            await posts.add([UserChange(USER, 1, [A])])


async def test_they_are_forgotten_after_a_day(client: Any) -> None:
    await RedisSeenPosts(client).add([UserChange(USER, 1, [A])])

    assert 0 < await client.ttl(seen_key(USER)) <= KEPT_SECONDS


async def test_who_has_seen_something_is_cold_no_more(client: Any) -> None:
    cache = RedisFeedCache(client)
    await cache.mark_cold(USER)

    await RedisSeenPosts(client).add([UserChange(USER, 1, [A])])

    assert not await cache.is_cold(USER)


async def test_what_is_no_seen_set_is_replaced(client: Any) -> None:
    await client.set(seen_key(USER), b"something else")

    await RedisSeenPosts(client).add([UserChange(USER, 1, [A])])

    assert await client.get(seen_key(USER)) == (1).to_bytes(SEQUENCE_BYTES) + A.bytes


async def test_what_is_remembered_of_a_user_is_read_back(seen: Seen) -> None:
    await seen.posts.add([UserChange(USER, 300, [A, B])])

    assert await seen.posts.get(USER) == UserChange(USER, 300, (A, B))
    assert await seen.posts.get(OTHER) is None


async def test_a_value_that_nobody_here_wrote_counts_as_forgotten(client: Any) -> None:
    await client.set(seen_key(USER), b"something else")

    assert await RedisSeenPosts(client).get(USER) is None
