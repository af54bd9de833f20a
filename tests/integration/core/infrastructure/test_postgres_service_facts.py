"""Facts for the status page, fake and real."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from core.application.ports.service_facts import InteractionFacts, ServiceFacts
from core.domain.interaction import Interaction
from core.infrastructure.alembic_migrations import head_revision
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.postgres_service_facts import PostgresServiceFacts
from tests.fakes.service_facts import FakeServiceFacts
from tests.integration.core.infrastructure.postgres_rows import act, add_interactions, add_texts, user

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEXTS = {user(2): "bob"}


@dataclass
class World:
    """Facts, and a way to give them interactions."""

    facts: ServiceFacts
    add: Callable[..., Awaitable[None]]


@pytest.fixture
async def world(url: str | None) -> AsyncIterator[World]:
    if url is None:
        fake = FakeServiceFacts(texts=TEXTS, revision=head_revision())

        async def add(*interactions: Interaction) -> None:
            fake.recorded.extend(interactions)

        yield World(fake, add)
        return
    async with open_pool(url) as pool:
        await add_texts(pool, TEXTS)
        yield World(PostgresServiceFacts(pool), partial(add_interactions, pool))


async def test_nothing_is_known_of_no_interactions(world: World) -> None:
    assert await world.facts.interactions() == InteractionFacts(0, 0, 0, None, None)
    assert await world.facts.busiest_user() is None


async def test_size_and_range_of_the_interactions(world: World) -> None:
    await world.add(act(1, 1, NOW), act(1, 2, NOW, hours_ago=24), act(2, 2, NOW, hours_ago=1))

    assert await world.facts.interactions() == InteractionFacts(3, 2, 2, NOW - timedelta(days=1), NOW)


async def test_the_busiest_user_is_named_as_the_app_does(world: World) -> None:
    await world.add(act(1, 1, NOW), act(2, 1, NOW))
    assert await world.facts.busiest_user() == str(user(1))

    await world.add(act(2, 1, NOW))
    assert await world.facts.busiest_user() == "bob"


async def test_a_migrated_schema_is_at_the_newest_revision(world: World) -> None:
    assert await world.facts.schema_revision() == head_revision()


async def test_before_the_first_migration_there_is_no_revision(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        assert await PostgresServiceFacts(pool).schema_revision() is None
