"""Reading what a user has done, fake and real."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from core.application.ports.interaction_history import InteractionHistory
from core.domain.interaction import Interaction, InteractionType
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.system_clock import SystemClock
from tests.fakes.interaction_history import FakeInteractionHistory
from tests.integration.core.infrastructure.postgres_rows import act, add_change, add_interactions, post, user

NOW = datetime.now(UTC) - timedelta(minutes=1)


@dataclass
class World:
    """A history, and a way to give it interactions."""

    history: InteractionHistory
    add: Callable[..., Awaitable[None]]
    change: Callable[[UUID, int], Awaitable[None]]


@pytest.fixture
async def world(url: str | None) -> AsyncIterator[World]:
    if url is None:
        fake = FakeInteractionHistory(clock=SystemClock())

        async def add(*interactions: Interaction) -> None:
            fake.interactions.extend(interactions)

        async def change(user_id: UUID, sequence: int) -> None:
            fake.sequences[user_id] = sequence

        yield World(fake, add, change)
        return
    async with open_pool(url) as pool:
        yield World(PostgresInteractionHistory(pool), partial(add_interactions, pool), partial(add_change, pool))


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def test_a_history_is_the_user_s_own_interactions_oldest_first(world: World) -> None:
    newer = act(1, 2, NOW, InteractionType.SHARE, hours_ago=1)
    older = act(1, 1, NOW, InteractionType.VIEW, hours_ago=2.5)
    await world.add(newer, act(2, 1, NOW), older)

    history = await world.history.read(user(1))

    assert history.interactions == (older, newer)
    assert history.built_up_to == newer.created_at
    assert history.data_now == NOW


async def test_a_stranger_has_an_empty_history(world: World) -> None:
    await world.add(act(2, 1, NOW))

    history = await world.history.read(user(1))

    assert history.interactions == ()
    assert history.built_up_to is None


async def test_each_reading_draws_a_higher_generation(world: World) -> None:
    generations = [(await world.history.read(user(1))).generation for _ in range(3)]

    assert generations == sorted(set(generations))
    assert generations[0] > 0


async def test_a_history_has_the_number_of_the_users_latest_change(world: World) -> None:
    before = await world.history.read(user(1))
    await world.change(user(1), 7)
    await world.change(user(2), 8)

    assert (before.sequence, (await world.history.read(user(1))).sequence) == (0, 7)


async def test_data_now_is_never_ahead_of_now(world: World) -> None:
    await world.add(act(1, 1, NOW, hours_ago=-100))

    history = await world.history.read(user(1))

    assert history.data_now < NOW + timedelta(hours=1)


async def test_without_any_interaction_data_now_is_now(world: World) -> None:
    history = await world.history.read(user(1))

    assert NOW < history.data_now < NOW + timedelta(hours=1)


async def test_distinct_posts_are_counted_up_to_the_limit(world: World) -> None:
    await world.add(*[act(1, number % 3, NOW, hours_ago=number) for number in range(9)], act(2, 7, NOW))

    assert await world.history.count_posts(user(1), at_most=5) == 3
    assert await world.history.count_posts(user(1), at_most=2) == 2
    assert await world.history.count_posts(user(3), at_most=1) == 0


async def test_interactions_of_unknown_types_are_ignored(pool: Pool) -> None:
    history = PostgresInteractionHistory(pool)
    await pool.execute(
        "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $2, 'bookmark')",
        user(1),
        post(1),
    )

    assert (await history.read(user(1))).interactions == ()
    assert await history.count_posts(user(1), at_most=1) == 0


async def test_times_of_an_adopted_table_may_bear_a_zone(pool: Pool) -> None:
    await pool.execute(
        "alter table user_interaction alter created_at type timestamptz using created_at at time zone 'utc'"
    )
    await pool.execute(
        "insert into user_interaction (user_id, post_id, interaction_type, created_at) "
        "values ($1, $2, 'like', '2026-01-01 12:00+02')",
        *(user(1), post(1)),
    )

    history = await PostgresInteractionHistory(pool).read(user(1))

    assert history.built_up_to == history.data_now == datetime(2026, 1, 1, 10, tzinfo=UTC)


async def test_rows_without_a_post_or_a_time_are_ignored(pool: Pool) -> None:
    await pool.execute("alter table user_interaction alter post_id drop not null, alter created_at drop not null")
    await pool.execute(
        "insert into user_interaction (user_id, post_id, interaction_type, created_at) "
        "values ($1, null, 'like', now()), ($1, $2, 'like', null)",
        *(user(1), post(1)),
    )

    assert (await PostgresInteractionHistory(pool).read(user(1))).interactions == ()


async def test_one_user_s_history_is_found_by_an_index(pool: Pool) -> None:
    await pool.execute("""
        insert into user_interaction (user_id, post_id, interaction_type)
        select gen_random_uuid(), gen_random_uuid(), 'view' from generate_series(1, 5000)
    """)
    await pool.execute("analyze user_interaction")

    plan = await pool.fetch("explain select * from user_interaction where user_id = $1 order by created_at", user(1))

    assert "threads_ml_user_interaction_history" in "".join(row[0] for row in plan)
