"""The stock is that of the archive, and of very many feeds an estimate."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from core.domain.errors import ArchiveUnavailable
from core.domain.levels import FeedStock
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_stored_feeds import PostgresStoredFeeds
from tests.builders import NOON, feed_of, stale_feed_of

_MANY = """
    insert into feed (user_id, post_ids, scores, reasons, model_version, epoch, generation, generated_at, expires_at)
    select gen_random_uuid(), array_fill(gen_random_uuid(), array[20]), '{}', '{}', 'collaborative_filtering_v1', 1,
        number, $1::timestamptz, case when number % 4 = 0 then $1 else $2::timestamptz end
    from generate_series(1, 20000) as number
"""


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as opened:
        yield opened


async def test_without_feeds_there_is_no_oldest(pool: Pool) -> None:
    assert await PostgresStoredFeeds(pool).take_stock(NOON) == FeedStock()


async def test_all_feeds_of_a_small_table_are_counted(pool: Pool) -> None:
    archive = PostgresFeedArchive(pool)
    for feed in (feed_of("anna"), feed_of("ben"), stale_feed_of("cleo")):
        await archive.put(feed)

    stored = PostgresStoredFeeds(pool)

    assert await stored.take_stock(NOON) == FeedStock(2, 1, NOON)
    assert await stored.take_stock(NOON, frozenset({"collaborative_filtering_v1"})) == FeedStock(0, 3, NOON)


async def test_many_feeds_are_estimated_from_a_part_of_them(pool: Pool) -> None:
    now = datetime.now(UTC)
    await pool.execute(_MANY, now - timedelta(hours=1), now + timedelta(hours=1))
    pages = await pool.fetchval("select pg_relation_size('feed') / 8192")

    stock = await PostgresStoredFeeds(pool, pages_at_most=pages // 3).take_stock(now)

    assert 15_000 < stock.fresh + stock.stale < 25_000
    assert 0.2 < stock.stale_share < 0.3
    assert stock.oldest_generated_at == now - timedelta(hours=1)


async def test_a_database_that_is_away_is_told() -> None:
    async with open_pool("postgresql://u:p@127.0.0.1:1/d") as pool:
        with pytest.raises(ArchiveUnavailable):
            await PostgresStoredFeeds(pool).take_stock(NOON)
