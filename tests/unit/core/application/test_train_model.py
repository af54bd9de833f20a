"""Training as a whole."""

from pathlib import Path

import pytest

from core.application.train_model import TrainModel
from core.domain.errors import NotTrainable
from core.domain.model import ModelStatus
from tests.fakes.artefact_store import FakeArtefactStore
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.popular_posts import FakePopularPosts
from tests.fakes.training import FakeModelTraining


def training_in(folder: Path, registry: FakeModelRegistry, popular: FakePopularPosts, count: int = 10) -> TrainModel:
    training = FakeModelTraining(folder, interaction_count=count)
    return TrainModel(training, FakeArtefactStore(folder), registry, popular)


async def test_a_trained_model_is_stored_registered_and_serves(tmp_path: Path) -> None:
    registry, popular = FakeModelRegistry(), FakePopularPosts()

    record = await training_in(tmp_path, registry, popular)(by="anna")

    serving = await registry.serving()
    assert record.version == "collaborative_filtering_v1"
    assert record.status is ModelStatus.CHAMPION
    assert serving.model == record
    assert serving.epoch == 1
    assert popular.refresh_count == 1


async def test_the_next_training_takes_the_next_number_and_its_place(tmp_path: Path) -> None:
    registry = FakeModelRegistry()
    train = training_in(tmp_path, registry, FakePopularPosts())
    await train(by="anna")

    second = await train(by="anna")

    assert second.version == "collaborative_filtering_v2"
    assert (await registry.serving()).model == second
    assert registry.models[1].status is ModelStatus.RETIRED


async def test_under_a_pin_the_new_model_stays_a_candidate(tmp_path: Path) -> None:
    registry = FakeModelRegistry()
    first = await training_in(tmp_path, registry, FakePopularPosts())(by="anna")
    registry.pin = 1

    second = await training_in(tmp_path, registry, FakePopularPosts())(by="anna")

    assert second.status is ModelStatus.CANDIDATE
    assert (await registry.serving()).model == first


async def test_nothing_is_registered_when_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    registry = FakeModelRegistry()

    with pytest.raises(NotTrainable):
        await training_in(tmp_path, registry, FakePopularPosts(), count=0)(by="anna")

    assert not registry.models
