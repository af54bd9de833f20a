"""The feed archive, fake and real, keeps its promise; the view over it is what the app reads."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.application.ports.feed_archive import FeedArchive, FeedCounts
from core.domain.feed import Feed, FeedOrder, Reason, Recommendation
from core.domain.user_change import UserChange
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive, put_feeds
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_post_states import PostgresPostStates
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.freshness_meter import FakeFreshnessMeter
from tests.integration.core.infrastructure.postgres_rows import (
    act,
    add_change,
    add_interactions,
    add_texts,
    is_due,
    post,
    user,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FEED = Feed(
    user_id=user(1),
    recommendations=(
        Recommendation(post(2), 1.0, Reason.COLLABORATIVE_FILTERING),
        Recommendation(post(1), 0.85, Reason.COLLABORATIVE_FILTERING),
        Recommendation(post(3), 1e-30, Reason.POPULAR),
    ),
    model_version="collaborative_filtering_v1",
    order=FeedOrder(2, 5),
    generated_at=NOW,
    expires_at=NOW + timedelta(hours=24),
    built_up_to=NOW - timedelta(hours=1),
    built_sequence=4,
)
TEXTS = {post(1): "first post", post(9): "in nobody's feed"}


@pytest.fixture
async def archive(url: str | None) -> AsyncIterator[FeedArchive]:
    if url is None:
        yield FakeFeedArchive(texts=TEXTS)
        return
    async with open_pool(url) as pool:
        await add_texts(pool, TEXTS)
        yield PostgresFeedArchive(pool)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def test_a_user_without_a_feed_has_none(archive: FeedArchive) -> None:
    assert await archive.get(user(1)) is None


async def test_a_stored_feed_comes_back_with_the_texts_of_its_posts(archive: FeedArchive) -> None:
    assert await archive.put(FEED)

    assert await archive.get(FEED.user_id) == replace(FEED, external_ids={post(1): "first post"})


async def test_an_empty_feed_built_from_nothing_comes_back(archive: FeedArchive) -> None:
    empty = replace(FEED, recommendations=(), built_up_to=None)

    await archive.put(empty)

    assert await archive.get(FEED.user_id) == empty


@pytest.mark.parametrize("order", [FeedOrder(2, 6), FeedOrder(3, 1)])
async def test_a_feed_of_a_higher_order_replaces(archive: FeedArchive, order: FeedOrder) -> None:
    newer = replace(FEED, recommendations=FEED.recommendations[:1], order=order)
    await archive.put(FEED)

    assert await archive.put(newer)

    assert await archive.get(FEED.user_id) == newer


@pytest.mark.parametrize("order", [FeedOrder(2, 5), FeedOrder(2, 4), FeedOrder(1, 9)])
async def test_a_feed_of_no_higher_order_never_replaces(archive: FeedArchive, order: FeedOrder) -> None:
    await archive.put(FEED)

    assert not await archive.put(replace(FEED, recommendations=(), order=order))

    stored = await archive.get(FEED.user_id)
    assert stored is not None
    assert stored.recommendations == FEED.recommendations


async def test_of_many_feeds_those_are_told_that_no_newer_one_kept_out(archive: FeedArchive) -> None:
    newer, feeds = replace(FEED, order=FeedOrder(2, 6)), [FEED, replace(FEED, user_id=user(2))]
    await archive.put(newer)

    assert await archive.put_many([]) == []
    assert await archive.put_many(feeds) == [feeds[1]]

    found = [await archive.get(feed.user_id) for feed in feeds]
    assert [feed and feed.order for feed in found] == [newer.order, FEED.order]


async def test_how_late_users_are_due_no_more_is_told_by_one_feed_and_by_many(pool: Pool) -> None:
    meter = FakeFreshnessMeter()
    archive = PostgresFeedArchive(pool, meter)
    for number in (1, 2, 3):
        await add_change(pool, user(number), 8)

    await archive.put(replace(FEED, built_sequence=8))
    by_one = list(meter.renewed_seconds)
    await archive.put_many([replace(FEED, user_id=user(2), built_sequence=8), replace(FEED, user_id=user(3))])

    assert (len(by_one), len(meter.renewed_seconds)) == (1, 2)
    assert min(meter.renewed_seconds) >= 0


async def test_fresh_and_stale_feeds_are_counted(archive: FeedArchive) -> None:
    await archive.put(FEED)
    await archive.put(replace(FEED, user_id=user(2), expires_at=NOW))
    await archive.put(replace(FEED, user_id=user(3), expires_at=NOW - timedelta(hours=1)))

    assert await archive.count(NOW) == FeedCounts(fresh=1, stale=2)


async def test_feeds_of_the_models_named_are_stale_before_they_expire(archive: FeedArchive) -> None:
    await archive.put(FEED)
    await archive.put(replace(FEED, user_id=user(2), model_version="collaborative_filtering_v9"))

    assert await archive.count(NOW, frozenset({"collaborative_filtering_v9"})) == FeedCounts(fresh=1, stale=1)


async def test_users_of_a_model_come_with_those_first_who_acted_last(archive: FeedArchive) -> None:
    for number, hours in ((1, 3), (2, 1), (3, 2)):
        feed = replace(FEED, user_id=user(number), built_up_to=NOW - timedelta(hours=hours))
        await archive.put(feed)
    await archive.put(replace(FEED, user_id=user(4), built_up_to=None))
    await archive.put(replace(FEED, user_id=user(5), model_version="collaborative_filtering_v9"))

    batches = [batch async for batch in archive.users_of(FEED.model_version)]

    assert [one for batch in batches for one in batch] == [user(2), user(3), user(1), user(4)]


async def test_of_many_writers_at_once_the_highest_order_stays(pool: Pool) -> None:
    archive = PostgresFeedArchive(pool)
    feeds = [replace(FEED, order=FeedOrder(1, generation)) for generation in (3, 9, 1, 7, 5)]

    for feed in feeds:
        await archive.put(feed)

    stored = await archive.get(FEED.user_id)
    assert stored is not None
    assert stored.order == FeedOrder(1, 9)


async def test_the_view_shows_one_row_a_post_in_the_brief_s_types(pool: Pool) -> None:
    await PostgresFeedArchive(pool).put(FEED)

    rows = await pool.fetch("select * from user_recommendation order by score desc")
    types = await pool.fetch(
        "select column_name, data_type from information_schema.columns where table_name = 'user_recommendation'"
    )

    assert [(row["post_id"], row["score"]) for row in rows] == [(post(2), 1.0), (post(1), 0.85), (post(3), 1e-30)]
    assert {row["expires_at"] for row in rows} == {datetime(2026, 11, 24, 12)}
    assert dict(types) == {
        "id": "uuid",
        "user_id": "uuid",
        "post_id": "uuid",
        "score": "double precision",
        "generated_at": "timestamp without time zone",
        "expires_at": "timestamp without time zone",
    }


async def test_a_row_of_the_view_keeps_its_id_as_long_as_the_post_is_recommended(pool: Pool) -> None:
    archive = PostgresFeedArchive(pool)
    await archive.put(FEED)
    await archive.put(replace(FEED, user_id=user(2)))
    before = await pool.fetch("select id, user_id, post_id from user_recommendation")

    await archive.put(replace(FEED, recommendations=FEED.recommendations[::-1], order=FeedOrder(2, 6)))
    after = await pool.fetch("select id, user_id, post_id from user_recommendation")

    assert set(before) == set(after)
    assert len({row["id"] for row in after}) == 6


async def test_the_view_shows_no_post_that_is_hidden_or_has_expired(pool: Pool) -> None:
    await PostgresFeedArchive(pool).put(FEED)
    states = PostgresPostStates(pool)
    await states.put(post(1), hidden=True, expires_at=None)
    await states.put(post(2), hidden=False, expires_at=NOW)
    await states.put(post(3), hidden=False, expires_at=datetime.now(UTC) + timedelta(hours=1))

    rows = await pool.fetch("select post_id from user_recommendation")

    assert [row["post_id"] for row in rows] == [post(3)]


async def test_looking_a_user_up_in_the_view_uses_the_key_of_the_feed(pool: Pool) -> None:
    await pool.execute("""
        insert into feed
        select gen_random_uuid(), array[gen_random_uuid()], '{1}', '{0}', 'v1', 1, 1, now(), now(), null
        from generate_series(1, 2000)
    """)
    await pool.execute("analyze feed")

    plan = await pool.fetch("explain select * from user_recommendation where user_id = $1", user(1))

    assert "feed_pkey" in "".join(row[0] for row in plan)


class CountedPool:
    """Hands out the pool's connections, and counts them."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.borrowed = pool, 0

    def acquire(self, timeout: float) -> Any:
        self.borrowed += 1
        return self.pool.acquire(timeout=timeout)


async def test_a_crowd_that_asks_for_one_users_feed_costs_one_query(pool: Pool) -> None:
    counted = CountedPool(pool)
    archive = PostgresFeedArchive(counted)
    await archive.put(FEED)
    counted.borrowed = 0

    found = await asyncio.gather(*[archive.get(FEED.user_id) for _ in range(50)])

    assert found == [FEED] * 50
    assert counted.borrowed == 1


async def test_a_feed_of_a_due_user_tells_what_the_user_has_done_since(pool: Pool) -> None:
    archive = PostgresFeedArchive(pool)
    await archive.put(replace(FEED, built_sequence=7))
    await add_interactions(pool, act(1, 4, NOW), act(1, 5, NOW, hours_ago=-1), act(2, 6, NOW))
    await add_change(pool, user(1), 7)
    known = await archive.get(user(1))
    await add_change(pool, user(1), 8)

    found = await archive.get(user(1))

    assert known is not None
    assert (known.built_sequence, known.change) == (7, None)
    assert found is not None
    assert found.change == UserChange(user(1), 8, [post(5), post(4)])


@pytest.mark.parametrize(("built", "due"), [(7, True), (8, False), (9, False)])
@pytest.mark.parametrize("was_due", [True, False])
async def test_a_user_is_due_while_the_stored_feed_does_not_know_of_the_latest_change(
    pool: Pool, built: int, due: bool, was_due: bool
) -> None:
    archive = PostgresFeedArchive(pool)
    await add_change(pool, user(1), 8, is_due=was_due)

    await archive.put(replace(FEED, built_sequence=built))
    by_itself = await is_due(pool, user(1))
    await add_change(pool, user(1), 8, is_due=was_due)
    async with pool.acquire() as connection, connection.transaction():
        await put_feeds(connection, [replace(FEED, order=FeedOrder(9, 9), built_sequence=built)])

    assert (by_itself, await is_due(pool, user(1))) == (due, due)


async def test_a_feed_that_is_not_kept_ends_no_mark(pool: Pool) -> None:
    archive = PostgresFeedArchive(pool)
    await archive.put(replace(FEED, order=FeedOrder(3, 1), built_sequence=7))
    await add_change(pool, user(1), 8)

    await archive.put(replace(FEED, order=FeedOrder(2, 1), built_sequence=8))
    async with pool.acquire() as connection, connection.transaction():
        await put_feeds(connection, [replace(FEED, order=FeedOrder(2, 2), built_sequence=8)])

    assert await is_due(pool, user(1))


async def test_those_who_mark_users_and_those_who_archive_their_feeds_never_lock_each_other_out(pool: Pool) -> None:
    users = [user(number) for number in range(20)]
    for one in users:
        await add_change(pool, one, 1)

    async def archive_all(generation: int) -> None:
        feeds = [replace(FEED, user_id=one, order=FeedOrder(1, generation), built_sequence=1) for one in users]
        async with pool.acquire() as connection, connection.transaction():
            await put_feeds(connection, feeds[:: (-1) ** generation])

    async def mark_all(sequence: int) -> None:
        async with pool.acquire() as connection, connection.transaction():
            for one in users:
                await add_change(connection, one, sequence)

    async with asyncio.timeout(30):
        await asyncio.gather(*(archive_all(round_) for round_ in range(1, 9)), *map(mark_all, range(2, 10)))

    assert await pool.fetchval("select count(*) from user_change where is_due") == len(users)
