"""Feeds whose recommendations come of arrays are stored like any others."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from core.domain.feed import Feed, FeedOrder, Recommendation
from core.infrastructure.array_recommendations import recommendations_of
from core.infrastructure.copied_feeds import REASONS
from core.infrastructure.packed_recommendations import pack
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive, put_feeds
from core.infrastructure.postgres_pool import open_pool, transaction
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LENGTHS = [0, 1, 5, 5, 3, 0, 12]
DEPTH = 12


def plain_and_by_arrays() -> tuple[list[list[Recommendation]], list[list[Recommendation]]]:
    """The same recommendations of seven users, some of which have fewer than others."""
    random_ = random.Random(4)
    # The last bytes of some ids are zero.
    ids = [[UUID(int=random_.getrandbits(64) << random_.choice((0, 64))) for _ in range(DEPTH)] for _ in LENGTHS]
    scores = [sorted((random_.random() for _ in range(DEPTH)), reverse=True) for _ in LENGTHS]
    reasons = [[int(place > 2) for place in range(DEPTH)] for _ in LENGTHS]
    plain = [
        [Recommendation(*item) for item in zip(one, of_one, (REASONS[code] for code in why), strict=True)][:length]
        for one, of_one, why, length in zip(ids, scores, reasons, LENGTHS, strict=True)
    ]
    keys = np.array([[id_.bytes for id_ in one] for one in ids], dtype="S16")
    arrays = recommendations_of(
        keys, np.array(scores), np.array(reasons, dtype=np.uint8), np.array(LENGTHS, dtype=np.int32)
    )
    return plain, list(arrays)  # type: ignore[arg-type]  # sequences of recommendations, both


def feed_of(number: int, recommendations: list[Recommendation]) -> Feed:
    return Feed(
        UUID(int=number), recommendations, "collaborative_filtering_v1", FeedOrder(1, 2), NOW, NOW + timedelta(hours=24)
    )


def test_they_are_the_same_one_by_one_and_packed() -> None:
    for plain, by_arrays in zip(*plain_and_by_arrays(), strict=True):
        assert list(by_arrays) == plain
        assert [by_arrays[place] for place in range(len(plain))] == plain
        assert pack(by_arrays) == pack(plain)
        assert pack(by_arrays[1:3]) == pack(plain[1:3])


async def test_postgres_and_redis_hold_the_same_of_both(
    migrated_database_url: str, another_migrated_database_url: str, redis_url: str, broker_url: str
) -> None:
    found = []
    servers = ((migrated_database_url, redis_url), (another_migrated_database_url, broker_url))
    for some, (database, cache_url) in zip(plain_and_by_arrays(), servers, strict=True):
        feeds = [feed_of(number, recommendations) for number, recommendations in enumerate(some)]
        async with open_pool(database) as pool, open_redis(cache_url, timeout_seconds=5) as client:
            async with transaction(pool) as connection:
                assert (await put_feeds(connection, feeds)).stored == feeds
            cache = RedisFeedCache(client)
            await cache.put_many(feeds)
            archive = PostgresFeedArchive(pool)
            found.append([(await archive.get(feed.user_id), await cache.get(feed.user_id)) for feed in feeds])

    assert found[0] == found[1]
    assert [len(archived.recommendations) for archived, _ in found[0] if archived is not None] == LENGTHS
