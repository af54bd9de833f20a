"""Removing what nobody needs."""

from pathlib import Path

import pytest

from core.application.prune_models import PruneModels
from core.domain.errors import NotFound, PruneRefused
from core.domain.gate import BYPASSED
from tests.fakes.artefact_store import FakeArtefactStore
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.training import FakeModelTraining


class Shelf:
    """Models whose bytes are told by their letters, those in capitals having served, the last of them serving."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = FakeModelRegistry()
        self.artefacts = FakeArtefactStore(folder / "cache")
        self.prune = PruneModels(self.registry, self.artefacts)

    async def fill(self, letters: str) -> "Shelf":
        for letter in letters:
            trained = await FakeModelTraining(self.folder, letter.lower().encode()).train()
            record = await self.registry.register(trained, *await self.artefacts.put(trained.path), None, BYPASSED)
            if letter.isupper():
                await self.registry.promote(record.number, "ops", self.registry.epoch)
        return self

    @property
    def letters(self) -> str:
        return "".join(sorted(content.decode() for content in self.artefacts.contents.values()))

    @property
    def unpruned(self) -> list[int]:
        return [number for number, record in self.registry.models.items() if record.pruned_at is None]


async def test_the_newest_stay_and_the_champion_and_the_one_to_go_back_to(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("ABCdefg")

    pruned = await shelf.prune.all_but(2)

    assert [record.number for record in pruned] == [5, 4, 1]
    assert shelf.letters == "bcfg"
    assert shelf.unpruned == [2, 3, 6, 7]


async def test_rows_stay_for_good(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("ABC")

    await shelf.prune.all_but(0)

    assert len(await shelf.registry.all()) == 3


async def test_a_withdrawn_model_is_not_one_to_go_back_to(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("ABC")
    await shelf.registry.roll_back("ops", 3)

    await shelf.prune.all_but(0)

    assert shelf.letters == "ab"


async def test_a_pruned_model_is_not_one_to_go_back_to(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("ABC")
    await shelf.prune.only([2])

    await shelf.prune.all_but(0)

    assert shelf.letters == "ac"


async def test_what_is_pinned_stays_and_the_others_go(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("abCD")
    shelf.registry.pin = 2

    pruned = await shelf.prune.all_but(0)

    assert [record.number for record in pruned] == [1]
    assert shelf.letters == "bcd"


async def test_of_several_none_is_pruned_where_one_is_pinned(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("abC")
    shelf.registry.pin = 2

    with pytest.raises(PruneRefused, match="collaborative_filtering_v2 is what MODEL_PIN names"):
        await shelf.prune.only([1, 2])

    assert shelf.unpruned == [1, 2, 3]


async def test_bytes_that_another_model_has_too_stay(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("aaB")

    await shelf.prune.only([1])
    assert shelf.letters == "ab"

    await shelf.prune.only([2])
    assert shelf.letters == "b"


async def test_pruning_that_was_cut_off_can_be_repeated(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("aB")
    await shelf.registry.mark_pruned(1)

    assert await shelf.prune.only([1]) == []

    assert shelf.letters == "b"


async def test_what_a_killed_training_left_goes_and_what_has_a_row_stays(tmp_path: Path) -> None:
    shelf = await Shelf(tmp_path).fill("aB")
    await shelf.registry.mark_pruned(1)
    await shelf.artefacts.put((await FakeModelTraining(tmp_path, b"stray").train()).path)

    assert await shelf.prune.strays() == len(b"stray") + len(b"a")

    assert shelf.letters == "b"


@pytest.mark.parametrize(("numbers", "error"), [([1, 2], PruneRefused), ([1, 9], NotFound)])
async def test_where_one_must_stay_nothing_is_removed(
    tmp_path: Path, numbers: list[int], error: type[Exception]
) -> None:
    shelf = await Shelf(tmp_path).fill("aB")

    with pytest.raises(error):
        await shelf.prune.only(numbers)

    assert shelf.letters == "ab"
    assert shelf.unpruned == [1, 2]
