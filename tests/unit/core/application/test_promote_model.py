"""Letting a model serve by hand."""

from pathlib import Path

import pytest

from core.application.promote_model import PromoteModel
from core.domain.errors import ArtefactRefused, NotFound, PromotionRefused
from core.domain.gate import BYPASSED
from tests.fakes.artefact_store import FakeArtefactStore
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.training import FakeModelTraining


async def stored(folder: Path, count: int) -> tuple[FakeModelRegistry, FakeArtefactStore]:
    """So many candidates."""
    registry, artefacts = FakeModelRegistry(), FakeArtefactStore(folder / "cache")
    for number in range(count):
        trained = await FakeModelTraining(folder, bytes([number])).train()
        await registry.register(trained, *await artefacts.put(trained.path), None, BYPASSED)
    return registry, artefacts


async def test_a_candidate_serves_once_its_bytes_are_known_to_be_sound(tmp_path: Path) -> None:
    registry, artefacts = await stored(tmp_path, 2)

    serving = await PromoteModel(registry, artefacts)(2, "ops")

    assert serving.model is not None
    assert (serving.model.number, serving.model.promoted_by, serving.epoch) == (2, "ops", 1)


async def test_a_model_whose_bytes_are_gone_changes_nothing(tmp_path: Path) -> None:
    registry, artefacts = await stored(tmp_path, 1)
    artefacts.contents.clear()

    with pytest.raises(ArtefactRefused, match=r"collaborative_filtering_v1 cannot serve: .* missing or damaged"):
        await PromoteModel(registry, artefacts)(1, "ops")

    assert (await registry.serving()).model is None


async def test_bytes_that_this_machine_alone_has_are_stored_again(tmp_path: Path) -> None:
    registry, artefacts = await stored(tmp_path, 1)
    await artefacts.fetch(registry.models[1].sha256)
    artefacts.contents.clear()

    await PromoteModel(registry, artefacts)(1, "ops")

    assert list(artefacts.contents) == [registry.models[1].sha256]


async def test_a_pruned_model_is_refused_by_name(tmp_path: Path) -> None:
    registry, artefacts = await stored(tmp_path, 1)
    await registry.mark_pruned(1)
    artefacts.contents.clear()

    with pytest.raises(PromotionRefused, match="collaborative_filtering_v1 were pruned"):
        await PromoteModel(registry, artefacts)(1, "ops")


async def test_a_model_that_never_was_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="collaborative_filtering_v9"):
        await PromoteModel(*await stored(tmp_path, 1))(9, "ops")
