"""Idle feeds, fake and real; and what only Postgres can show."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.application.ports.idle_feeds import IdleFeeds, Idleness
from core.domain.feed import Feed, FeedOrder
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_idle_feeds import PostgresIdleFeeds
from core.infrastructure.postgres_pool import Pool, open_pool, transaction
from tests.builders import feed_of
from tests.fakes.idle_feeds import FakeIdleFeeds
from tests.integration.core.infrastructure.postgres_rows import act, add_interactions, user

LAST_DAY = datetime(2025, 3, 1, 12, tzinfo=UTC)  # an old export: its last day is its now
NOW, DAY = datetime.now(UTC), timedelta(days=1)
ORDER = FeedOrder(1, 5)
IDLENESS = Idleness(expired_before=NOW - 7 * DAY, days=30)


def stored(number: int, expired_days_ago: float) -> Feed:
    return replace(feed_of(), user_id=user(number), order=ORDER, expires_at=NOW - expired_days_ago * DAY)


@dataclass
class Store:
    """Idle feeds, and ways to store feeds and to let users act."""

    idle: IdleFeeds
    put: Callable[[Feed], Awaitable[object]]
    act: Callable[[int, float], Awaitable[None]]


@pytest.fixture
async def store(url: str | None) -> AsyncIterator[Store]:
    if url is None:
        fake = FakeIdleFeeds()

        async def put(feed: Feed) -> None:
            fake.feeds[feed.user_id] = feed

        async def act_in_fake(by: int, days_ago: float) -> None:
            fake.acted_at[user(by)] = LAST_DAY - days_ago * DAY

        yield Store(fake, put, act_in_fake)
        return
    async with open_pool(url) as pool:

        async def act_in_postgres(by: int, days_ago: float) -> None:
            await add_interactions(pool, act(by, 1, LAST_DAY, hours_ago=24 * days_ago))

        yield Store(PostgresIdleFeeds(pool, page=2), PostgresFeedArchive(pool).put, act_in_postgres)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def removed_by(idle: IdleFeeds) -> dict[UUID, FeedOrder]:
    found: dict[UUID, FeedOrder] = {}
    async for orders in idle.removed(IDLENESS):
        assert orders
        found |= orders
    return found


async def test_feeds_long_expired_of_users_who_did_nothing_lately_are_idle(store: Store) -> None:
    for number, days_ago in enumerate((0, 29, 31, 400)):
        await store.put(stored(number, expired_days_ago=8))
        await store.act(number, days_ago)
    await store.put(stored(9, expired_days_ago=8))

    count, removed = await store.idle.count(IDLENESS), await removed_by(store.idle)

    assert removed == dict.fromkeys((user(2), user(3), user(9)), ORDER)
    assert count == 3
    assert await store.idle.count(IDLENESS) == 0


@pytest.mark.parametrize("expired_days_ago", [-1, 0, 6.9])
async def test_a_feed_that_expired_lately_stays(store: Store, expired_days_ago: float) -> None:
    await store.act(1, 0)
    await store.put(stored(2, expired_days_ago))

    assert await removed_by(store.idle) == {}


async def test_all_are_found_over_many_pages(store: Store) -> None:
    await store.act(0, 0)
    for number in range(1, 8):
        await store.put(stored(number, expired_days_ago=8))

    assert set(await removed_by(store.idle)) == {user(number) for number in range(1, 8)}


async def test_nothing_is_idle_where_nothing_is_stored(store: Store) -> None:
    assert await store.idle.count(IDLENESS) == 0
    assert await removed_by(store.idle) == {}


async def test_a_feed_that_is_renewed_at_that_moment_stays(pool: Pool) -> None:
    archive, idle = PostgresFeedArchive(pool), PostgresIdleFeeds(pool)
    await archive.put(stored(1, expired_days_ago=8))
    await archive.put(stored(2, expired_days_ago=8))
    async with transaction(pool) as renewing:
        await renewing.execute(
            "update feed set generation = 6, expires_at = now() + interval '1 day' where user_id = $1", user(1)
        )
        removing = asyncio.create_task(removed_by(idle))
        await until_somebody_waits(pool)

    assert set(await removing) == {user(2)}
    renewed = await archive.get(user(1))
    assert renewed is not None
    assert renewed.order == FeedOrder(1, 6)


async def until_somebody_waits(pool: Pool) -> None:
    async with asyncio.timeout(20):
        while not await pool.fetchval("select count(*) from pg_locks where not granted"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
