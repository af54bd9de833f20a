"""What `train` is made of, apart from the other commands' wiring: it loads the numeric stack."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.application.train_model import TrainModel
from core.infrastructure.knn_training import KnnTraining
from core.infrastructure.postgres_artefact_store import PostgresArtefactStore
from core.infrastructure.postgres_pool import open_pool
from core.settings import Settings
from scripts.wiring import NO_HURRY_SECONDS, model_registry, popular_posts


@asynccontextmanager
async def open_training(settings: Settings) -> AsyncIterator[TrainModel]:
    """Open what `train` needs."""
    async with open_pool(settings.database_url, command_timeout_seconds=NO_HURRY_SECONDS) as pool:
        yield TrainModel(
            training=KnnTraining(
                settings.database_url,
                settings.model_path,
                settings.interaction_weights,
                settings.half_life_hours,
                settings.neighbour_count,
            ),
            artefacts=PostgresArtefactStore(pool, settings.model_path),
            registry=model_registry(pool, settings),
            popular=popular_posts(pool, settings),
        )
