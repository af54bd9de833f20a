"""One model at a time, exchanged whole."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import structlog

from core.application.ports.training import TrainedModel
from core.domain.errors import ArchiveUnavailable, ConfigurationError, StorageFull
from core.domain.gate import BYPASSED
from core.domain.model import ModelRecord
from core.infrastructure import in_memory_recommender
from core.infrastructure.hidden_keys import HiddenChange
from core.infrastructure.in_memory_recommender import InMemoryRecommender
from core.infrastructure.joblib_model_file import write_model
from core.infrastructure.live_tail import Tails
from tests.fakes.artefact_store import FakeArtefactStore
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.training import FakeModelTraining
from tests.unit.core.infrastructure.coming_interactions import ComingInteractions
from tests.unit.core.infrastructure.test_model_tail import NEW_POST, NEWER_POST, NOTHING, arrays
from tests.unit.core.infrastructure.test_ranking_model import MODEL, POSTS, USERS, history

POLL_SECONDS = 0.01
ASKING = history(USERS[3], [POSTS[0]])


@pytest.fixture
def artefacts(tmp_path: Path) -> FakeArtefactStore:
    return FakeArtefactStore(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _no_reading_but_the_tests_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_memory_recommender, "READ_TAIL_SECONDS", 3600.0)


async def promote(registry: FakeModelRegistry, artefacts: FakeArtefactStore, path: Path) -> ModelRecord:
    """Store the file, register it and let it serve."""
    sha256, size_bytes = await artefacts.put(path)
    trained: TrainedModel = await FakeModelTraining(path.parent).train()
    record = await registry.register(trained, sha256, size_bytes, None, BYPASSED)
    await registry.promote(record.number, "anna", registry.epoch)
    return record


async def until_loaded(recommender: InMemoryRecommender, version: str) -> None:
    async with asyncio.timeout(10):
        while recommender.loaded_version != version:  # noqa: ASYNC110 - it tells nobody when it has loaded
            await asyncio.sleep(POLL_SECONDS)


async def test_without_a_model_the_ranking_is_empty_and_the_worker_stays(artefacts: FakeArtefactStore) -> None:
    async with InMemoryRecommender(FakeModelRegistry(), artefacts, POLL_SECONDS) as recommender:
        ranking = await recommender.rank(ASKING, 10)

    assert ranking.posts == ()
    assert ranking.model_version is None
    assert ranking.epoch == 0


async def test_without_a_model_the_epoch_is_followed_all_the_same(artefacts: FakeArtefactStore) -> None:
    async with InMemoryRecommender(FakeModelRegistry(epoch=3), artefacts, POLL_SECONDS) as recommender:
        assert (await recommender.rank(ASKING, 10)).epoch == 3


async def test_the_champion_ranks_and_names_itself(tmp_path: Path, artefacts: FakeArtefactStore) -> None:
    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))

    async with InMemoryRecommender(registry, artefacts, POLL_SECONDS) as recommender:
        ranking = await recommender.rank(ASKING, 10)

    assert ranking.posts == MODEL.rank(ASKING, 10)
    assert (ranking.model_version, ranking.epoch) == ("collaborative_filtering_v1", 1)


async def test_a_promotion_is_followed_without_a_restart(tmp_path: Path, artefacts: FakeArtefactStore) -> None:
    registry = FakeModelRegistry()
    path = write_model(tmp_path, MODEL.to_arrays())
    await promote(registry, artefacts, path)

    async with InMemoryRecommender(registry, artefacts, POLL_SECONDS) as recommender:
        second = await promote(registry, artefacts, path)
        await until_loaded(recommender, second.version)
        ranking = await recommender.rank(ASKING, 10)

    assert (ranking.model_version, ranking.epoch) == ("collaborative_filtering_v2", 2)


async def test_a_history_read_after_a_promotion_is_ranked_by_the_model_that_serves_since(
    tmp_path: Path, artefacts: FakeArtefactStore
) -> None:
    registry = FakeModelRegistry()
    path = write_model(tmp_path, MODEL.to_arrays())
    await promote(registry, artefacts, path)

    async with InMemoryRecommender(registry, artefacts, poll_seconds=3600) as recommender:
        await promote(registry, artefacts, path)
        rankings = await asyncio.gather(*[recommender.rank(replace(ASKING, epoch=2), 10) for _ in range(3)])

    assert {(ranking.model_version, ranking.epoch) for ranking in rankings} == {("collaborative_filtering_v2", 2)}


async def test_while_the_next_model_cannot_be_had_in_time_the_old_one_ranks(
    tmp_path: Path, artefacts: FakeArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FakeModelRegistry()
    path = write_model(tmp_path, MODEL.to_arrays())
    await promote(registry, artefacts, path)
    monkeypatch.setattr(in_memory_recommender, "CATCH_UP_SECONDS", 0.01)

    async with InMemoryRecommender(registry, artefacts, poll_seconds=3600) as recommender:
        await promote(registry, artefacts, path)
        monkeypatch.setattr(registry, "serving", asyncio.Event().wait)
        ranking = await recommender.rank(replace(ASKING, epoch=2), 10)

    assert (ranking.model_version, ranking.epoch) == ("collaborative_filtering_v1", 1)


async def test_a_refused_model_leaves_the_old_one_and_is_logged_once(
    tmp_path: Path, artefacts: FakeArtefactStore
) -> None:
    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))
    spoiled = tmp_path / "spoiled.joblib"
    spoiled.write_bytes(b"no model at all")

    async with InMemoryRecommender(registry, artefacts, POLL_SECONDS) as recommender:
        with structlog.testing.capture_logs() as logs:
            await promote(registry, artefacts, spoiled)
            await recommender.follow_registry()
            await recommender.follow_registry()
        ranking = await recommender.rank(ASKING, 10)

    assert (ranking.model_version, ranking.epoch) == ("collaborative_filtering_v1", 2)
    assert [log["event"] for log in logs] == ["model_refused"]


async def test_a_refused_model_is_tried_again_only_after_a_while_and_serves_once_it_is_mended(
    tmp_path: Path, artefacts: FakeArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FakeModelRegistry()
    path = write_model(tmp_path, MODEL.to_arrays())
    record = await promote(registry, artefacts, path)
    content = artefacts.contents.pop(record.sha256)

    async with InMemoryRecommender(registry, artefacts, poll_seconds=3600) as recommender:
        artefacts.contents[record.sha256] = content
        await recommender.follow_registry()
        assert recommender.loaded_version is None
        monkeypatch.setattr(recommender, "_try_again_at", 0.0)
        await recommender.follow_registry()

    assert recommender.loaded_version == record.version


@pytest.mark.parametrize("failure", [StorageFull("there is no room"), ConfigurationError("it is read-only")])
async def test_where_the_next_model_cannot_be_kept_the_old_one_goes_on_in_the_new_epoch(
    tmp_path: Path, artefacts: FakeArtefactStore, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def no_room(_: str) -> Path:
        raise failure

    registry = FakeModelRegistry()
    path = write_model(tmp_path, MODEL.to_arrays())
    await promote(registry, artefacts, path)

    async with InMemoryRecommender(registry, artefacts, poll_seconds=3600) as recommender:
        monkeypatch.setattr(artefacts, "fetch", no_room)
        await promote(registry, artefacts, path)
        with structlog.testing.capture_logs() as logs:
            await recommender.follow_registry()
            await recommender.follow_registry()

        ranking = await recommender.rank(ASKING, 10)

    assert (ranking.model_version, ranking.epoch) == ("collaborative_filtering_v1", 2)
    assert [log["event"] for log in logs] == ["model_refused"]


async def test_a_process_that_begins_with_a_wrong_setting_says_so(
    tmp_path: Path, artefacts: FakeArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot_keep(_: str) -> Path:
        raise ConfigurationError("it is read-only")

    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))
    monkeypatch.setattr(artefacts, "fetch", cannot_keep)

    with pytest.raises(ConfigurationError):
        await InMemoryRecommender(registry, artefacts, POLL_SECONDS).__aenter__()


async def test_while_the_registry_is_away_the_loaded_model_goes_on(
    tmp_path: Path, artefacts: FakeArtefactStore
) -> None:
    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))

    async with InMemoryRecommender(registry, artefacts, POLL_SECONDS) as recommender:
        registry.unavailable = True
        with pytest.raises(ArchiveUnavailable):
            await recommender.follow_registry()
        ranking = await recommender.rank(ASKING, 10)

    assert ranking.model_version == "collaborative_filtering_v1"


async def test_a_worker_that_cannot_read_the_registry_does_not_start(artefacts: FakeArtefactStore) -> None:
    recommender = InMemoryRecommender(FakeModelRegistry(unavailable=True), artefacts, POLL_SECONDS)

    with pytest.raises(ArchiveUnavailable):
        await recommender.__aenter__()


async def test_what_the_champion_has_learned_of_a_user_can_be_asked_while_nobody_else_answers(
    tmp_path: Path, artefacts: FakeArtefactStore
) -> None:
    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))

    async with InMemoryRecommender(registry, artefacts, POLL_SECONDS) as recommender:
        registry.unavailable = True
        known = await recommender.recall(USERS[0], 10)
        unknown = await recommender.recall(USERS[3], 10)

    assert known is not None
    assert known.post_ids == {POSTS[0], POSTS[1]}
    assert (known.ranking.model_version, known.ranking.epoch) == ("collaborative_filtering_v1", 1)
    assert unknown is None


async def test_without_a_model_nothing_is_recalled(artefacts: FakeArtefactStore) -> None:
    async with InMemoryRecommender(FakeModelRegistry(), artefacts, POLL_SECONDS) as recommender:
        assert await recommender.recall(USERS[0], 10) is None


async def test_what_came_since_training_counts_from_the_start_and_is_read_on(
    tmp_path: Path, artefacts: FakeArtefactStore
) -> None:
    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))
    source = ComingInteractions(NOTHING, [arrays((USERS[0], NEW_POST, 1)), arrays((USERS[0], NEWER_POST, 2))])

    async with InMemoryRecommender(registry, artefacts, POLL_SECONDS, Tails(source, 100)) as recommender:
        at_start = await recommender.rank(ASKING, 10)
        await recommender.read_on()
        later = await recommender.rank(ASKING, 10)

    assert NEW_POST in dict(at_start.posts)
    assert NEWER_POST not in dict(at_start.posts)
    assert {NEW_POST, NEWER_POST} <= dict(later.posts).keys()
    assert later.model_version == "collaborative_filtering_v1"


async def test_a_promoted_model_comes_with_a_tail_of_its_own(tmp_path: Path, artefacts: FakeArtefactStore) -> None:
    registry = FakeModelRegistry()
    path = write_model(tmp_path, MODEL.to_arrays())
    await promote(registry, artefacts, path)
    source = ComingInteractions(NOTHING, [arrays((USERS[0], NEW_POST, 1)), arrays((USERS[0], NEWER_POST, 2))])

    async with InMemoryRecommender(registry, artefacts, 3600, Tails(source, 100)) as recommender:
        await promote(registry, artefacts, path)
        await recommender.follow_registry()
        ranking = await recommender.rank(ASKING, 10)

    assert ranking.model_version == "collaborative_filtering_v2"
    assert NEWER_POST in dict(ranking.posts)
    assert NEW_POST not in dict(ranking.posts)
    assert [position.snapshot for position in source.asked] == [None, None]


async def test_a_model_is_loaded_without_a_tail_where_that_cannot_be_read_and_gets_it_later(
    tmp_path: Path, artefacts: FakeArtefactStore
) -> None:
    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))
    source = ComingInteractions(NOTHING, [arrays((USERS[0], NEW_POST, 1))], unavailable=True)

    async with InMemoryRecommender(registry, artefacts, POLL_SECONDS, Tails(source, 100)) as recommender:
        without = await recommender.rank(ASKING, 10)
        source.unavailable = False
        await recommender.read_on()
        with_tail = await recommender.rank(ASKING, 10)

    assert without.model_version == "collaborative_filtering_v1"
    assert NEW_POST not in dict(without.posts)
    assert NEW_POST in dict(with_tail.posts)


def change(hidden: Sequence[UUID] = (), shown: Sequence[UUID] = ()) -> HiddenChange:
    return HiddenChange([one.bytes for one in hidden], [one.bytes for one in shown])


async def test_blocked_posts_are_in_no_ranking_whatever_is_read_or_loaded_afterwards(
    tmp_path: Path, artefacts: FakeArtefactStore
) -> None:
    registry = FakeModelRegistry()
    path = write_model(tmp_path, MODEL.to_arrays())
    await promote(registry, artefacts, path)
    source = ComingInteractions(NOTHING, [NOTHING, arrays((USERS[0], NEW_POST, 1)), arrays((USERS[0], NEW_POST, 1))])

    async with InMemoryRecommender(registry, artefacts, 3600, Tails(source, 100)) as recommender:
        recommender.block(change(hidden=[POSTS[1], NEW_POST]))
        rankings = [await recommender.rank(ASKING, 10)]
        await recommender.read_on()
        rankings.append(await recommender.rank(ASKING, 10))
        await promote(registry, artefacts, path)
        await recommender.follow_registry()
        rankings.append(await recommender.rank(ASKING, 10))
        recommender.block(change(shown=[POSTS[1], NEW_POST]))
        free = await recommender.rank(ASKING, 10)

    assert [{POSTS[1], NEW_POST} & dict(ranking.posts).keys() for ranking in rankings] == [set()] * 3
    assert {POSTS[1], NEW_POST} <= dict(free.posts).keys()


async def test_posts_that_the_model_does_not_know_are_blocked_without_another_model(
    tmp_path: Path, artefacts: FakeArtefactStore
) -> None:
    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))
    source = ComingInteractions(NOTHING, [NOTHING, arrays((USERS[0], NEW_POST, 1))])

    async with InMemoryRecommender(registry, artefacts, 3600, Tails(source, 100)) as recommender:
        recommender.block(change(hidden=[POSTS[1]]))
        before = recommender.loaded_model
        recommender.block(change(hidden=[NEW_POST, UUID(int=7)], shown=[UUID(int=8)]))
        after = recommender.loaded_model
        await recommender.read_on()
        ranked = await recommender.rank(ASKING, 10)

    assert after is before
    assert not {POSTS[1], NEW_POST} & dict(ranked.posts).keys()


async def test_the_tail_is_read_on_in_the_background_whatever_goes_wrong(
    tmp_path: Path, artefacts: FakeArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_memory_recommender, "READ_TAIL_SECONDS", POLL_SECONDS)
    registry = FakeModelRegistry()
    await promote(registry, artefacts, write_model(tmp_path, MODEL.to_arrays()))
    mistaken = arrays((USERS[0], POSTS[1], 1))._replace(type_codes=np.array([9]))
    source = ComingInteractions(NOTHING, [NOTHING, mistaken, arrays((USERS[0], NEW_POST, 1))])

    async with InMemoryRecommender(registry, artefacts, POLL_SECONDS, Tails(source, 100)):
        with structlog.testing.capture_logs() as logs:
            async with asyncio.timeout(10):
                while len(source.asked) < 5:  # noqa: ASYNC110 - it tells nobody when it has read
                    await asyncio.sleep(POLL_SECONDS)

    assert "tail_not_read" in [log["event"] for log in logs]
