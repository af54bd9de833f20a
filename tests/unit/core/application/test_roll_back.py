"""Taking a model back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.application.roll_back import RollBack
from core.domain.errors import PromotionRefused
from core.domain.gate import BYPASSED
from core.domain.ids import to_uuid
from tests.builders import NOON, feed_of
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.training import FakeModelTraining

V1, V2 = "collaborative_filtering_v1", "collaborative_filtering_v2"


async def registry_with(count: int, folder: Path) -> FakeModelRegistry:
    """So many models, each of which has served."""
    registry = FakeModelRegistry()
    for _ in range(count):
        record = await registry.register(await FakeModelTraining(folder).train(), "ab" * 32, 7, None, BYPASSED)
        await registry.promote(record.number, "anna", registry.epoch)
    return registry


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
    registry, queue = await registry_with(2, tmp_path), FakeJobQueue()
    archive = await archive_of(ben=V2, anna=V1, cleo=V2)

    done = await RollBack(registry, archive, queue)("ops", "rollback-1")

    assert (done.withdrawn.version, done.serving.version, done.epoch, done.enqueued) == (V2, V1, 3, 2)
    assert await registry.stale_versions() == {V2}
    assert [message.user_id for message in queue.bulk_messages] == [to_uuid("ben"), to_uuid("cleo")]


async def test_while_the_queue_is_away_the_rollback_is_done_all_the_same(tmp_path: Path) -> None:
    registry = await registry_with(2, tmp_path)

    done = await RollBack(registry, await archive_of(ben=V2), FakeJobQueue(unavailable=True))("ops", "rollback-1")

    assert done.enqueued is None
    assert await registry.stale_versions() == {V2}


@pytest.mark.parametrize(("count", "said"), [(0, "no model serves"), (1, "no earlier model to go back to")])
async def test_without_a_model_to_go_back_to_nothing_changes(tmp_path: Path, count: int, said: str) -> None:
    registry, queue = await registry_with(count, tmp_path), FakeJobQueue()

    with pytest.raises(PromotionRefused, match=said):
        await RollBack(registry, FakeFeedArchive(), queue)("ops", "rollback-1")

    assert registry.epoch == count
    assert not queue.bulk_messages
