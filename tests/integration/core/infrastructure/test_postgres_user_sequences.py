"""How far changes have got is told alike by the fake and by Postgres."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from core.application.ports.user_sequences import LatestSequence, UserSequences
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.postgres_user_sequences import PostgresUserSequences
from tests.fakes.user_sequences import FakeUserSequences
from tests.integration.core.infrastructure.postgres_rows import add_change, user


@dataclass
class World:
    """The sequences, and a way to give a user the next one."""

    sequences: UserSequences
    draw: Callable[[UUID], Awaitable[None]]


@pytest.fixture
async def world(url: str | None) -> AsyncIterator[World]:
    if url is None:
        fake = FakeUserSequences()

        async def draw(user_id: UUID) -> None:
            fake.of_all += 1
            fake.sequences[user_id] = fake.of_all

        yield World(fake, draw)
        return
    async with open_pool(url) as pool:

        async def draw_in_postgres(user_id: UUID) -> None:
            await add_change(pool, user_id, await pool.fetchval("select nextval('interaction_sequence')"))

        yield World(PostgresUserSequences(pool), draw_in_postgres)


async def test_before_the_first_change_all_is_zero(world: World) -> None:
    assert await world.sequences.latest(user(1)) == LatestSequence(of_user=0, of_all=0)


async def test_a_users_own_number_is_told_beside_the_last_one_of_all(world: World) -> None:
    for number in (1, 2, 1, 2):
        await world.draw(user(number))

    assert await world.sequences.latest(user(1)) == LatestSequence(of_user=3, of_all=4)
    assert await world.sequences.latest(user(3)) == LatestSequence(of_user=0, of_all=4)
