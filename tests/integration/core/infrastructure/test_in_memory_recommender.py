"""Machines with disks of their own, one registry."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from core.domain.gate import BYPASSED
from core.infrastructure.adbc_model_training import AdbcModelTraining
from core.infrastructure.in_memory_recommender import InMemoryRecommender
from core.infrastructure.postgres_artefact_store import PostgresArtefactStore
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_pool import Pool, open_pool
from core.settings import Settings
from tests.integration.scripts.test_replay_evaluation import fill

WITHIN_SECONDS = 10
SETTINGS = Settings()


async def let_serve(pool: Pool, url: str, folder: Path, **parameters: object) -> str:
    """A new model, trained on a third machine; its version."""
    registry = PostgresModelRegistry(pool)
    training = AdbcModelTraining(url, folder, SETTINGS.interaction_weights, parameters=parameters)
    trained = await training.train()
    stored = await PostgresArtefactStore(pool, folder).put(trained.path)
    record = await registry.register(trained, *stored, None, BYPASSED)
    await registry.promote(record.number, "ops", (await registry.serving()).epoch)
    return record.version


async def until_all_serve(recommenders: list[InMemoryRecommender], version: str) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while {each.loaded_version for each in recommenders} != {version}:  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(0.05)


async def test_after_promotion_and_rollback_all_machines_serve_the_same_model_within_ten_seconds(
    migrated_database_url: str, tmp_path: Path
) -> None:
    await fill(migrated_database_url)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(migrated_database_url))
        first = await let_serve(pool, migrated_database_url, tmp_path / "trainer")
        recommenders = [
            await stack.enter_async_context(
                InMemoryRecommender(
                    PostgresModelRegistry(pool),
                    PostgresArtefactStore(pool, tmp_path / name),
                    SETTINGS.model_poll_seconds,
                )
            )
            for name in ("one", "other")
        ]
        await until_all_serve(recommenders, first)

        second = await let_serve(pool, migrated_database_url, tmp_path / "trainer", k=7)
        await until_all_serve(recommenders, second)

        await PostgresModelRegistry(pool).roll_back("ops", seen_epoch=2)
        await until_all_serve(recommenders, first)

    files = [{path.name for path in (tmp_path / name).glob("*.joblib")} for name in ("one", "other")]
    assert files[0] == files[1]
    assert len(files[0]) == 2
