"""Popular posts: what SQL counts is what the plain formula says."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from core.application.ports.popular_posts import PopularPosts
from core.domain.interaction import Interaction, InteractionType, InteractionWeights
from core.domain.popular import PopularFeed
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_popular_posts import PostgresPopularPosts
from core.infrastructure.postgres_post_states import PostgresPostStates
from core.infrastructure.system_clock import SystemClock
from tests.fakes.popular_posts import FakePopularPosts
from tests.integration.core.infrastructure.postgres_rows import act, add_interactions, add_texts, post

NOW = datetime.now(UTC) - timedelta(minutes=1)
TEXTS = {post(1): "first post", post(99): "nobody's"}


@dataclass
class World:
    """Popular posts, and a way to give them interactions."""

    popular: PopularPosts
    add: Callable[..., Awaitable[None]]
    hide: Callable[[UUID], Awaitable[object]]


@pytest.fixture
async def world(url: str | None) -> AsyncIterator[World]:
    if url is None:
        fake = FakePopularPosts(depth=3, texts=TEXTS, clock=SystemClock())

        async def add(*interactions: Interaction) -> None:
            fake.interactions.extend(interactions)

        async def hide(post_id: UUID) -> None:
            fake.hidden.add(post_id)

        yield World(fake, add, hide)
        return
    async with open_pool(url) as pool:
        await add_texts(pool, TEXTS)
        hide_in_postgres = partial(PostgresPostStates(pool).put, hidden=True, expires_at=None)
        yield World(popular_posts(pool, depth=3), partial(add_interactions, pool), hide_in_postgres)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


def popular_posts(pool: Pool, half_life_hours: float = 12.0, depth: int = 500) -> PostgresPopularPosts:
    return PostgresPopularPosts(pool, InteractionWeights(), half_life_hours, window_days=30, depth=depth)


async def test_before_the_first_refresh_the_feed_is_empty(world: World) -> None:
    assert await world.popular.read() == PopularFeed()


async def test_without_interactions_a_refresh_gives_an_empty_feed_of_a_generation(world: World) -> None:
    await world.popular.refresh()

    feed = await world.popular.read()

    assert feed.post_ids == feed.scores == ()
    assert feed.generation > 0
    assert feed.computed_at is not None


async def test_the_most_popular_post_scores_one_and_ties_go_by_id(world: World) -> None:
    await world.add(*[act(by, on, NOW) for by, on in ((1, 3), (2, 3), (1, 2), (2, 1), (1, 0))])

    await world.popular.refresh()
    feed = await world.popular.read()

    assert feed.post_ids == (post(3), post(0), post(1))
    assert feed.scores == pytest.approx((1.0, 0.5, 0.5))
    assert feed.external_ids == {post(1): "first post"}


async def test_hidden_posts_are_not_counted(world: World) -> None:
    await world.add(*[act(by, on, NOW) for by, on in ((1, 3), (2, 3), (1, 2), (2, 1), (1, 0))])
    await world.hide(post(3))

    await world.popular.refresh()
    feed = await world.popular.read()

    assert (feed.post_ids, feed.scores) == ((post(0), post(1), post(2)), pytest.approx((1.0, 1.0, 1.0)))


async def test_a_post_that_has_expired_is_not_counted(pool: Pool) -> None:
    await add_interactions(pool, act(1, 1, NOW), act(1, 2, NOW))
    await PostgresPostStates(pool).put(post(1), hidden=False, expires_at=NOW)

    await popular_posts(pool).refresh()

    assert (await popular_posts(pool).read()).post_ids == (post(2),)


async def test_a_newer_like_counts_more_than_an_older_one(world: World) -> None:
    await world.add(act(1, 1, NOW, hours_ago=12), act(1, 2, NOW))

    await world.popular.refresh()

    assert (await world.popular.read()).post_ids == (post(2), post(1))


async def test_two_users_count_more_than_one_who_repeats_it(world: World) -> None:
    await world.add(*[act(1, 1, NOW, hours_ago=0) for _ in range(3)], act(2, 2, NOW), act(3, 2, NOW), act(4, 2, NOW))

    await world.popular.refresh()

    assert (await world.popular.read()).post_ids == (post(2), post(1))


async def test_what_is_older_than_the_window_or_lies_in_the_future_does_not_count(world: World) -> None:
    await world.add(act(1, 1, NOW, hours_ago=31 * 24), act(1, 2, NOW), act(1, 3, NOW, hours_ago=-48))

    await world.popular.refresh()

    assert (await world.popular.read()).post_ids == (post(2),)


async def test_each_refresh_has_a_higher_generation(world: World) -> None:
    await world.popular.refresh()
    first = await world.popular.read()

    await world.popular.refresh()

    assert (await world.popular.read()).generation > first.generation


async def test_a_young_feed_is_not_refreshed(world: World) -> None:
    assert await world.popular.refresh_if_older_than(600)
    assert not await world.popular.refresh_if_older_than(600)
    assert await world.popular.refresh_if_older_than(0)


async def test_one_refresh_at_a_time_is_enough(pool: Pool) -> None:
    async with pool.acquire() as elsewhere, elsewhere.transaction():
        await elsewhere.execute("select pg_advisory_xact_lock(7021001)")

        assert not await popular_posts(pool).refresh_if_older_than(0)


@pytest.mark.parametrize("half_life_hours", [0.01, 12.0, 1000.0])
async def test_sql_counts_what_the_formula_says(pool: Pool, half_life_hours: float) -> None:
    draw = random.Random(3)
    acts = [
        act(draw.randrange(20), draw.randrange(50), NOW, draw.choice(list(InteractionType)), draw.random() ** 3 * 1000)
        for _ in range(1000)
    ]
    fake = FakePopularPosts(acts, half_life_hours=half_life_hours, clock=SystemClock())
    await add_interactions(pool, *acts)

    await fake.refresh()
    await popular_posts(pool, half_life_hours).refresh()

    counted = await popular_posts(pool).read()
    expected = dict(zip(fake.feed.post_ids, fake.feed.scores, strict=True))
    assert set(expected) <= set(counted.post_ids)
    # The formula underflows to zero, and leaves a post out, where SQL keeps a trace of it.
    for post_id, score in zip(counted.post_ids, counted.scores, strict=True):
        assert score == pytest.approx(expected.get(post_id, 0.0), rel=1e-6, abs=1e-29)
    assert list(counted.scores) == sorted(counted.scores, reverse=True)
    assert min(counted.scores) > 0


async def test_posts_of_a_type_without_weight_are_not_popular(pool: Pool) -> None:
    weightless = replace(InteractionWeights(), view=0.0)
    popular = PostgresPopularPosts(pool, weightless, half_life_hours=12, window_days=30)
    await add_interactions(pool, act(1, 1, NOW, InteractionType.VIEW), act(1, 2, NOW))

    await popular.refresh()

    assert (await popular.read()).post_ids == (post(2),)


async def test_an_adopted_table_whose_times_bear_a_zone_counts_the_same(pool: Pool) -> None:
    await add_interactions(pool, act(1, 1, NOW), act(1, 2, NOW, hours_ago=5))
    await popular_posts(pool).refresh()
    naive = await popular_posts(pool).read()

    await pool.execute(
        "alter table user_interaction alter created_at type timestamptz using created_at at time zone 'utc'"
    )
    await popular_posts(pool).refresh()

    assert (await popular_posts(pool).read()).scores == pytest.approx(naive.scores)
