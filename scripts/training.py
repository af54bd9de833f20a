"""What `train` is made of, apart from the other commands' wiring: it loads the numeric stack."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from core.application.train_model import TrainModel
from core.domain.errors import ConfigurationError
from core.infrastructure.adbc_model_training import AdbcModelTraining, say_nothing
from core.infrastructure.artefact_stores import artefact_store
from core.infrastructure.numba_machine_code import warm_kernels
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.replay_model_trial import ReplayModelTrial
from core.settings import Settings
from scripts.tracking import open_tracker
from scripts.wiring import DATABASE_CONNECTIONS, NO_HURRY_SECONDS, model_registry, popular_posts

REPLAY_BYTES = 400  # of one interaction, with the matrices that the replay makes of it


@asynccontextmanager
async def open_training(settings: Settings, on_phase: Callable[[str], None] = say_nothing) -> AsyncIterator[TrainModel]:
    """Open what `train` needs; `on_phase` is told each phase of the numeric work when it ends."""
    _check_writable(settings.model_path)
    await asyncio.to_thread(warm_kernels, settings.model_path)
    async with (
        open_tracker(settings) as tracker,
        open_pool(settings.database_url, DATABASE_CONNECTIONS, command_timeout_seconds=NO_HURRY_SECONDS) as pool,
    ):
        yield TrainModel(
            training=AdbcModelTraining(
                settings.database_url,
                settings.model_path,
                settings.interaction_weights,
                algorithm=settings.algorithm,
                parameters=settings.parameters_by_name,
                exact_up_to_users=settings.exact_neighbours_up_to_users,
                memory_limit_mb=settings.memory_limit_mb,
                on_phase=on_phase,
            ),
            artefacts=artefact_store(pool, settings.artefact_url, settings.model_path),
            trial=model_trial(settings),
            gate=settings.gate,
            registry=model_registry(pool, settings),
            popular=popular_posts(pool, settings),
            tracker=tracker,
        )


def model_trial(settings: Settings) -> ReplayModelTrial:
    """Trials on as many interactions as the memory limit admits."""
    most = settings.gate_most_interactions
    if settings.memory_limit_mb:
        most = min(most, max(1, settings.memory_limit_mb * 1_000_000 // REPLAY_BYTES))
    return ReplayModelTrial(settings.database_url, settings.gate_windows, most, settings.feed_depth)


async def warmed_trial(settings: Settings) -> ReplayModelTrial:
    """The same with its kernels compiled."""
    await asyncio.to_thread(warm_kernels, settings.model_path)
    return model_trial(settings)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"models cannot be kept in MODEL_PATH={folder}: {error}") from error
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"models cannot be kept in MODEL_PATH={folder}: it is read-only")
