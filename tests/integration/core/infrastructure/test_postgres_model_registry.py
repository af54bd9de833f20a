"""The registry of models, fake and real."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.application.ports.model_registry import ModelRegistry
from core.application.ports.training import TrainedModel
from core.domain.errors import ConfigurationError, NotFound, PromotionRefused, PruneRefused
from core.domain.gate import Check, Outcome, Verdict
from core.domain.model import ModelRecord, ModelStatus, Serving
from core.domain.trial import Comparison, Measured, Trial
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
    data_digest="0f" * 16,
    code_revision="4c01a5b2f0d3",
    seconds=1.25,
    data_snapshot="7:9:8",
    data_open_since=datetime(2026, 11, 1, 12, 31, tzinfo=UTC),
)
GAIN = Measured(0.02, -0.01, 0.05)
TRIAL = Trial(
    metrics={"ndcg_at_10": Measured(0.2, 0.18, 0.22)},
    by_window={"ndcg_at_10": (0.19, 0.21)},
    first_window_at=datetime(2026, 10, 30, 12, 30, tzinfo=UTC),
    last_window_at=datetime(2026, 10, 31, 12, 30, tzinfo=UTC),
    windows=2,
    judged=150,
    gain_over_popular=GAIN,
    learned_anew=Comparison(150, 2, GAIN),
    reach=300,
    champion_reach=310,
    generation_ms=0.7,
)
VERDICT = Verdict(Outcome.PASSED, admitted=True, checks=(Check("quality", Outcome.PASSED, "as good"),))
Build = Callable[..., ModelRegistry]


@pytest.fixture
async def build(url: str | None) -> AsyncIterator[Build]:
    """Registries over the same rows, each with its own first number and pin."""
    if url is None:
        first = FakeModelRegistry()

        def build_fake(first_number: int = 1, pin: int | None = None) -> ModelRegistry:
            first.first_number, first.pin = first_number, pin
            return first

        yield build_fake
        return
    async with open_pool(url) as pool:
        yield lambda first_number=1, pin=None: PostgresModelRegistry(pool, first_number, pin)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def register(registry: ModelRegistry) -> ModelRecord:
    return await registry.register(TRAINED, "ab" * 32, 123, TRIAL, VERDICT)


async def promote(registry: ModelRegistry, number: int, by: str = "ada") -> Serving:
    """By somebody who has just looked."""
    return await registry.promote(number, by, (await registry.serving()).epoch)


async def with_promoted(build: Build, *numbers: int) -> ModelRegistry:
    """Models of these numbers, each of which has served."""
    registry = build()
    for number in numbers:
        await register(registry)
        await promote(registry, number)
    return registry


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
    assert (record.data_digest, record.code_revision) == ("0f" * 16, "4c01a5b2f0d3")
    assert (record.data_snapshot, record.data_open_since) == ("7:9:8", TRAINED.data_open_since)
    assert record.training_seconds == 1.25
    assert (record.trial, record.verdict) == (TRIAL, VERDICT)
    assert (record.promoted_at, record.promoted_by) == (None, None)
    assert (record.withdrawn_at, record.withdrawn_by, record.pruned_at) == (None, None, None)
    assert await build().find(1) == record
    assert await build().find(2) is None


async def test_numbers_go_up_from_the_first_one_set(build: Build) -> None:
    numbers = [(await register(build(first_number=first))).number for first in (3, 3, 1, 7)]

    assert numbers == [3, 4, 5, 7]


async def test_promotion_makes_a_champion_retires_the_last_and_raises_the_epoch(build: Build) -> None:
    registry = build()
    await register(registry)
    await register(registry)

    first = await promote(registry, 1, "ada")
    second = await promote(registry, 2, "bob")

    assert first.model is not None
    assert (first.model.number, first.model.promoted_by, first.epoch) == (1, "ada", 1)
    assert second.model is not None
    assert (second.model.number, second.model.status, second.epoch) == (2, ModelStatus.CHAMPION, 2)
    assert second.model.promoted_at is not None
    assert await registry.serving() == second
    retired = await registry.find(1)
    assert retired is not None
    assert retired.status is ModelStatus.RETIRED


async def test_an_older_model_can_be_promoted_again_and_the_newer_one_is_not_withdrawn(build: Build) -> None:
    registry = await with_promoted(build, 1, 2)

    back = await promote(registry, 1, "bob")

    assert back.model is not None
    assert (back.model.number, back.model.status, back.epoch) == (1, ModelStatus.CHAMPION, 3)
    assert await registry.stale_versions() == frozenset()


async def test_a_rollback_withdraws_the_champion_and_goes_back_to_the_one_before(build: Build) -> None:
    registry = await with_promoted(build, 1, 2)

    back = await registry.roll_back("bob", seen_epoch=2)

    assert back.model is not None
    assert (back.model.number, back.model.status, back.epoch) == (1, ModelStatus.CHAMPION, 3)
    withdrawn = await registry.find(2)
    assert withdrawn is not None
    assert (withdrawn.status, withdrawn.withdrawn_by) == (ModelStatus.RETIRED, "bob")
    assert withdrawn.withdrawn_at is not None
    assert await registry.stale_versions() == {"collaborative_filtering_v2"}


async def test_two_rollbacks_go_back_two_steps_and_no_further(build: Build) -> None:
    registry = await with_promoted(build, 1, 2, 3)

    await registry.roll_back("bob", seen_epoch=3)
    back = await registry.roll_back("bob", seen_epoch=4)

    assert back.model is not None
    assert back.model.number == 1
    with pytest.raises(PromotionRefused, match="no earlier model"):
        await registry.roll_back("bob", seen_epoch=5)
    assert (await registry.serving()).model == back.model


async def test_a_withdrawn_model_that_is_promoted_again_is_withdrawn_no_more(build: Build) -> None:
    registry = await with_promoted(build, 1, 2)
    await registry.roll_back("bob", seen_epoch=2)

    again = await promote(registry, 2)

    assert again.model is not None
    assert (again.model.withdrawn_at, again.model.withdrawn_by) == (None, None)
    assert await registry.stale_versions() == frozenset()


async def test_of_two_who_saw_the_same_champion_the_second_is_told_who_was_first(build: Build) -> None:
    registry = await with_promoted(build, 1)
    await register(registry)
    await register(registry)

    await registry.promote(2, "ada", seen_epoch=1)

    with pytest.raises(PromotionRefused, match="ada has let collaborative_filtering_v2 serve meanwhile"):
        await registry.promote(3, "bob", seen_epoch=1)
    with pytest.raises(PromotionRefused, match="ada has let collaborative_filtering_v2 serve meanwhile"):
        await registry.roll_back("bob", seen_epoch=1)
    assert (await registry.serving()).epoch == 2


async def test_under_a_pin_there_is_no_rollback_and_all_other_models_are_stale(build: Build) -> None:
    await with_promoted(build, 1, 2, 3)

    with pytest.raises(PromotionRefused, match="MODEL_PIN names collaborative_filtering_v1"):
        await build(pin=1).roll_back("bob", seen_epoch=3)
    assert await build(pin=1).stale_versions() == {"collaborative_filtering_v2", "collaborative_filtering_v3"}


async def test_a_pruned_model_keeps_its_row_and_cannot_serve_any_more(build: Build) -> None:
    registry = await with_promoted(build, 1, 2, 3)

    await registry.mark_pruned(1)

    pruned = await registry.find(1)
    assert pruned is not None
    assert pruned.pruned_at is not None
    with pytest.raises(PromotionRefused, match="bytes of collaborative_filtering_v1 were pruned"):
        await promote(registry, 1)


async def test_a_rollback_passes_over_what_was_pruned(build: Build) -> None:
    registry = await with_promoted(build, 1, 2, 3)
    await registry.mark_pruned(2)

    back = await registry.roll_back("bob", seen_epoch=3)

    assert back.model is not None
    assert back.model.number == 1


@pytest.mark.parametrize("pin", [None, 1])
async def test_what_serves_is_not_pruned(build: Build, pin: int | None) -> None:
    await with_promoted(build, 1, 2)

    with pytest.raises(PruneRefused, match="serves: promote another model first"):
        await build(pin=pin).mark_pruned(2 if pin is None else 1)
    with pytest.raises(NotFound, match="collaborative_filtering_v9"):
        await build().mark_pruned(9)


async def test_all_models_are_listed_the_newest_first(build: Build) -> None:
    registry = await with_promoted(build, 1, 2)

    assert [record.number for record in await registry.all()] == [2, 1]


async def test_promoting_the_champion_changes_nothing(build: Build) -> None:
    registry = build()
    await register(registry)
    serving = await promote(registry, 1, "ada")

    assert await promote(registry, 1, "bob") == serving


async def test_a_model_that_does_not_exist_cannot_be_promoted(build: Build) -> None:
    with pytest.raises(NotFound, match="collaborative_filtering_v9"):
        await build().promote(9, "ada", 0)


async def test_a_pinned_model_serves_whatever_the_champion_is(build: Build) -> None:
    await register(build())
    await register(build())

    serving = await build(pin=1).serving()

    assert serving.model is not None
    assert serving.model.number == 1


async def test_while_a_model_is_pinned_promotion_is_refused(build: Build) -> None:
    await register(build())

    with pytest.raises(PromotionRefused, match="MODEL_PIN"):
        await build(pin=1).promote(1, "ada", 0)


async def test_a_pin_that_names_no_model_is_a_configuration_error(build: Build) -> None:
    with pytest.raises(ConfigurationError, match="MODEL_PIN names collaborative_filtering_v4"):
        await build(pin=4).serving()


async def test_models_registered_at_once_get_different_numbers(pool: Pool) -> None:
    registry = PostgresModelRegistry(pool)

    records = await asyncio.gather(*[register(registry) for _ in range(4)])

    assert sorted(record.number for record in records) == [1, 2, 3, 4]


async def test_of_promotions_at_once_one_wins(pool: Pool) -> None:
    registry = PostgresModelRegistry(pool)
    for _ in range(3):
        await register(registry)

    answers = await asyncio.gather(
        *[registry.promote(number, "ada", seen_epoch=0) for number in (1, 2, 3)], return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["PromotionRefused", "PromotionRefused", "Serving"]
    assert await pool.fetchval("select count(*) from model where status = 'champion'") == 1
    assert (await registry.serving()).epoch == 1


async def test_a_later_migration_does_not_disturb_a_running_registry(pool: Pool) -> None:
    registry = PostgresModelRegistry(pool)
    await register(registry)
    await promote(registry, 1, "ada")

    await pool.execute("alter table model add column note text")

    assert (await register(registry)).number == 2
    assert (await promote(registry, 2, "ada")).epoch == 2
    assert await registry.find(1) is not None


async def test_before_the_migration_that_adds_to_it_a_model_is_still_read(pool: Pool) -> None:
    registry = PostgresModelRegistry(pool)
    await register(registry)
    await promote(registry, 1)
    await pool.execute("alter table model drop column trial, drop column verdict, drop column training_seconds")

    serving = await PostgresModelRegistry(pool).serving()

    assert serving.model is not None
    assert (serving.model.number, serving.model.trial, serving.model.verdict) == (1, None, None)
