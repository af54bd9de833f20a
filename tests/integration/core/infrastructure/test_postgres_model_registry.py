"""The registry of models, fake and real."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.application.ports.model_registry import ModelRegistry
from core.application.ports.training import TrainedModel
from core.domain.errors import ConfigurationError, NotFound, PromotionRefused
from core.domain.model import ModelRecord, ModelStatus, Serving
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_pool import Pool, open_pool
from tests.fakes.model_registry import FakeModelRegistry

TRAINED = TrainedModel(
    path=Path("model.joblib"),
    algorithm="user_knn",
    parameters={"neighbour_count": 50, "weights": {"view": 0.1}, "half_life_hours": None},
    metrics={"recall_at_10": 0.25},
    interaction_count=5000,
    user_count=100,
    post_count=400,
    data_from=datetime(2026, 10, 1, tzinfo=UTC),
    data_up_to=datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
)
Build = Callable[..., ModelRegistry]


@pytest.fixture
async def build(url: str | None) -> AsyncIterator[Build]:
    """Registries over the same rows, each with its own first number and pin."""
    if url is None:
        first = FakeModelRegistry()

        def build_fake(first_number: int = 1, pin: int | None = None) -> ModelRegistry:
            return FakeModelRegistry(first_number, pin, first.models, first.champion, first.epoch)

        yield build_fake
        return
    async with open_pool(url) as pool:
        yield lambda first_number=1, pin=None: PostgresModelRegistry(pool, first_number, pin)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def register(registry: ModelRegistry) -> ModelRecord:
    return await registry.register(TRAINED, sha256="ab" * 32, size_bytes=123)


async def test_before_the_first_promotion_no_model_serves(build: Build) -> None:
    await register(build())

    assert await build().serving() == Serving(None, 0)


async def test_a_registered_model_is_a_candidate_with_all_that_is_known_of_it(build: Build) -> None:
    record = await register(build())

    assert (record.number, record.version, record.status) == (1, "collaborative_filtering_v1", ModelStatus.CANDIDATE)
    assert (record.algorithm, record.parameters, record.metrics) == ("user_knn", TRAINED.parameters, TRAINED.metrics)
    assert (record.sha256, record.size_bytes) == ("ab" * 32, 123)
    assert (record.interaction_count, record.user_count, record.post_count) == (5000, 100, 400)
    assert (record.data_from, record.data_up_to) == (TRAINED.data_from, TRAINED.data_up_to)
    assert (record.promoted_at, record.promoted_by) == (None, None)
    assert await build().find(1) == record
    assert await build().find(2) is None


async def test_numbers_go_up_from_the_first_one_set(build: Build) -> None:
    numbers = [(await register(build(first_number=first))).number for first in (3, 3, 1, 7)]

    assert numbers == [3, 4, 5, 7]


async def test_promotion_makes_a_champion_retires_the_last_and_raises_the_epoch(build: Build) -> None:
    registry = build()
    await register(registry)
    await register(registry)

    first = await registry.promote(1, by="ada")
    second = await registry.promote(2, by="bob")

    assert first.model is not None
    assert (first.model.number, first.model.promoted_by, first.epoch) == (1, "ada", 1)
    assert second.model is not None
    assert (second.model.number, second.model.status, second.epoch) == (2, ModelStatus.CHAMPION, 2)
    assert second.model.promoted_at is not None
    assert await registry.serving() == second
    retired = await registry.find(1)
    assert retired is not None
    assert retired.status is ModelStatus.RETIRED


async def test_a_rollback_is_a_promotion_too(build: Build) -> None:
    registry = build()
    for number in (1, 2):
        await register(registry)
        await registry.promote(number, by="ada")

    back = await registry.promote(1, by="bob")

    assert back.model is not None
    assert (back.model.number, back.model.status, back.epoch) == (1, ModelStatus.CHAMPION, 3)


async def test_promoting_the_champion_changes_nothing(build: Build) -> None:
    registry = build()
    await register(registry)
    serving = await registry.promote(1, by="ada")

    assert await registry.promote(1, by="bob") == serving


async def test_a_model_that_does_not_exist_cannot_be_promoted(build: Build) -> None:
    with pytest.raises(NotFound, match="collaborative_filtering_v9"):
        await build().promote(9, by="ada")


async def test_a_pinned_model_serves_whatever_the_champion_is(build: Build) -> None:
    await register(build())
    await register(build())

    serving = await build(pin=1).serving()

    assert serving.model is not None
    assert serving.model.number == 1


async def test_while_a_model_is_pinned_promotion_is_refused(build: Build) -> None:
    await register(build())

    with pytest.raises(PromotionRefused, match="MODEL_PIN"):
        await build(pin=1).promote(1, by="ada")


async def test_a_pin_that_names_no_model_is_a_configuration_error(build: Build) -> None:
    with pytest.raises(ConfigurationError, match="MODEL_PIN names collaborative_filtering_v4"):
        await build(pin=4).serving()


async def test_models_registered_at_once_get_different_numbers(pool: Pool) -> None:
    registry = PostgresModelRegistry(pool)

    records = await asyncio.gather(*[register(registry) for _ in range(4)])

    assert sorted(record.number for record in records) == [1, 2, 3, 4]


async def test_promotions_at_once_leave_one_champion(pool: Pool) -> None:
    registry = PostgresModelRegistry(pool)
    for _ in range(3):
        await register(registry)

    await asyncio.gather(*[registry.promote(number, by="ada") for number in (1, 2, 3)])

    assert await pool.fetchval("select count(*) from model where status = 'champion'") == 1
    assert (await registry.serving()).epoch == 3


async def test_a_later_migration_does_not_disturb_a_running_registry(pool: Pool) -> None:
    registry = PostgresModelRegistry(pool)
    await register(registry)
    await registry.promote(1, by="ada")

    await pool.execute("alter table model add column note text")

    assert (await register(registry)).number == 2
    assert (await registry.promote(2, by="ada")).epoch == 2
    assert await registry.find(1) is not None
