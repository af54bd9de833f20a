"""The models whose feeds are stale, as a process keeps them in mind."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from core.domain.gate import BYPASSED
from core.infrastructure.held_stale_models import HeldStaleModels
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.training import FakeModelTraining

V2 = "collaborative_filtering_v2"


async def registry_of_two(folder: Path) -> FakeModelRegistry:
    registry = FakeModelRegistry()
    for _ in range(2):
        record = await registry.register(await FakeModelTraining(folder).train(), "ab" * 32, 7, None, BYPASSED)
        await registry.promote(record.number, "anna", registry.epoch)
    return registry


async def test_a_withdrawal_is_noticed_while_the_process_runs(tmp_path: Path) -> None:
    registry = await registry_of_two(tmp_path)

    async with HeldStaleModels(registry, poll_seconds=0.01) as stale:
        assert not stale.includes(V2)
        await registry.roll_back("ops", 2)
        async with asyncio.timeout(10):
            while not stale.includes(V2):  # noqa: ASYNC110 - it tells nobody when it has looked
                await asyncio.sleep(0.01)


async def test_while_the_registry_is_away_the_last_answer_stands_and_the_log_says_so_once(tmp_path: Path) -> None:
    registry = await registry_of_two(tmp_path)
    await registry.roll_back("ops", 2)

    async with HeldStaleModels(registry, poll_seconds=3600) as stale:
        registry.unavailable = True
        with capture_logs() as logs:
            await stale.reload()
            await stale.reload()

    assert stale.includes(V2)
    assert [log["event"] for log in logs] == ["stale_models_not_read"]


async def test_a_process_starts_without_the_registry(tmp_path: Path) -> None:
    async with HeldStaleModels(FakeModelRegistry(unavailable=True), poll_seconds=3600) as stale:
        assert not stale.includes(V2)
