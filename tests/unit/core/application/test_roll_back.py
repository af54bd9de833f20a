"""Taking a model back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.application.roll_back import RollBack
from core.domain.errors import ArtefactRefused, PromotionRefused
from core.domain.gate import BYPASSED
from core.domain.ids import to_uuid
from tests.builders import NOON, feed_of
from tests.fakes.artefact_store import FakeArtefactStore
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.training import FakeModelTraining

V1, V2 = "collaborative_filtering_v1", "collaborative_filtering_v2"


async def models_that_served(count: int, folder: Path) -> tuple[FakeModelRegistry, FakeArtefactStore]:
    """So many, each with bytes of its own."""
    registry, artefacts = FakeModelRegistry(), FakeArtefactStore(folder / "cache")
    for number in range(count):
        trained = await FakeModelTraining(folder, bytes([number])).train()
        record = await registry.register(trained, *await artefacts.put(trained.path), None, BYPASSED)
        await registry.promote(record.number, "anna", registry.epoch)
    return registry, artefacts


async def archive_of(**models: str) -> FakeFeedArchive:
    """A feed for each user, of the model named; the users named first have acted last."""
    archive = FakeFeedArchive()
    for hours, (user, version) in enumerate(models.items()):
        feed = replace(
            feed_of(), user_id=to_uuid(user), model_version=version, built_up_to=NOON - timedelta(hours=hours)
        )
        await archive.put(feed)
    return archive


async def test_the_model_before_serves_and_the_withdrawn_one_s_feeds_are_made_anew_active_users_first(
    tmp_path: Path,
) -> None:
    (registry, artefacts), queue = await models_that_served(2, tmp_path), FakeJobQueue()
    archive = await archive_of(ben=V2, anna=V1, cleo=V2)

    done = await RollBack(registry, artefacts, archive, queue)("ops", "rollback-1")

    assert (done.withdrawn.version, done.serving.version, done.epoch, done.enqueued) == (V2, V1, 3, 2)
    assert await registry.stale_versions() == {V2}
    assert [message.user_id for message in queue.bulk_messages] == [to_uuid("ben"), to_uuid("cleo")]


@pytest.mark.parametrize("away", ["queue", "archive"])
async def test_what_is_away_afterwards_does_not_make_a_rollback_fail(tmp_path: Path, away: str) -> None:
    registry, artefacts = await models_that_served(2, tmp_path)
    archive, queue = await archive_of(ben=V2), FakeJobQueue(unavailable=away == "queue")
    archive.unavailable = away == "archive"

    done = await RollBack(registry, artefacts, archive, queue)("ops", "rollback-1")

    assert done.enqueued is None
    assert await registry.stale_versions() == {V2}


@pytest.mark.parametrize(("count", "said"), [(0, "no model serves"), (1, "no earlier model to go back to")])
async def test_without_a_model_to_go_back_to_nothing_changes(tmp_path: Path, count: int, said: str) -> None:
    (registry, artefacts), queue = await models_that_served(count, tmp_path), FakeJobQueue()

    with pytest.raises(PromotionRefused, match=said):
        await RollBack(registry, artefacts, FakeFeedArchive(), queue)("ops", "rollback-1")

    assert registry.epoch == count
    assert not queue.bulk_messages


async def test_a_model_whose_bytes_are_gone_is_not_gone_back_to(tmp_path: Path) -> None:
    registry, artefacts = await models_that_served(2, tmp_path)
    artefacts.contents.pop(registry.models[1].sha256)

    with pytest.raises(ArtefactRefused, match=f"{V1} cannot serve: .* missing or damaged"):
        await RollBack(registry, artefacts, FakeFeedArchive(), FakeJobQueue())("ops", "rollback-1")

    assert (registry.champion, registry.epoch) == (2, 2)
