"""Where trainings and tunings are tracked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.application.ports.run_tracker import RunTracker
from core.infrastructure.mlflow_run_tracker import MlflowRunTracker
from core.infrastructure.untracked_runs import UntrackedRuns
from core.settings import Settings


@asynccontextmanager
async def open_tracker(settings: Settings) -> AsyncIterator[RunTracker]:
    """To be opened when a run begins: its process gets ready beside the run."""
    if not settings.track_runs:
        yield UntrackedRuns()
        return
    async with MlflowRunTracker(settings.mlflow_tracking_uri, settings.mlflow_experiment) as tracker:
        yield tracker
