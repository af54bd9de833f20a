"""Active users, fake and real."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast
from uuid import UUID

import pytest

from core.application.ports.active_users import ActiveUsers
from core.domain.interaction import Interaction
from core.infrastructure.postgres_active_users import PostgresActiveUsers
from core.infrastructure.postgres_pool import Pool, open_pool
from tests.fakes.active_users import FakeActiveUsers
from tests.integration.core.infrastructure.postgres_rows import act, add_interactions, user

LAST_DAY = datetime(2025, 3, 1, 12, tzinfo=UTC)


@dataclass
class World:
    """Active users, and a way to give them interactions."""

    active_users: ActiveUsers
    add: Callable[..., Awaitable[None]]


@pytest.fixture
async def world(url: str | None) -> AsyncIterator[World]:
    if url is None:
        fake = FakeActiveUsers()

        async def add(*interactions: Interaction) -> None:
            fake.interactions.extend(interactions)

        yield World(fake, add)
        return
    async with open_pool(url) as pool:
        yield World(PostgresActiveUsers(pool), partial(add_interactions, pool))


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def found(active_users: ActiveUsers, within_days: int | None, min_posts: int) -> set[UUID]:
    users = [user_id async for batch in active_users.batches(within_days, min_posts) for user_id in batch]
    assert len(users) == len(set(users))
    return set(users)


async def test_without_interactions_nobody_is_active(world: World) -> None:
    assert await found(world.active_users, 30, 1) == set()


async def test_activity_is_counted_back_from_the_newest_interaction(world: World) -> None:
    await world.add(
        act(1, 1, LAST_DAY), act(2, 1, LAST_DAY, hours_ago=6.9 * 24), act(3, 1, LAST_DAY, hours_ago=7.1 * 24)
    )

    assert await found(world.active_users, 7, 1) == {user(1), user(2)}
    assert await found(world.active_users, None, 1) == {user(1), user(2), user(3)}


async def test_users_need_enough_distinct_posts_however_old(world: World) -> None:
    await world.add(act(1, 1, LAST_DAY), act(1, 1, LAST_DAY), act(2, 1, LAST_DAY), act(2, 2, LAST_DAY, hours_ago=500))

    assert await found(world.active_users, 7, 2) == {user(2)}


async def test_users_come_a_thousand_at_a_time(pool: Pool) -> None:
    await add_interactions(pool, *[act(number, 1, LAST_DAY) for number in range(2500)])

    sizes = [len(batch) async for batch in PostgresActiveUsers(pool).batches(None, 1)]

    assert sizes == [1000, 1000, 500]


async def test_whoever_stops_early_gives_the_connection_back(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url, size=1) as pool:
        await add_interactions(pool, *[act(number, 1, LAST_DAY) for number in range(1001)])

        async with aclosing(cast(Any, PostgresActiveUsers(pool).batches(None, 1))) as batches:
            await anext(batches)

        assert await pool.fetchval("select 1") == 1


async def test_interactions_of_unknown_types_make_nobody_active(pool: Pool) -> None:
    await pool.execute(
        "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $1, 'bookmark')", user(1)
    )

    assert await found(PostgresActiveUsers(pool), None, 1) == set()
