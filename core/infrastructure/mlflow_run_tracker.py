"""Runs in MLflow, which lives in a process of its own: importing it takes seconds and 200 MB."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

import structlog

from core.application.ports.run_tracker import TrackedRun
from core.infrastructure import mlflow_recording
from core.infrastructure.leashed_process import Leash
from core.infrastructure.mlflow_recording import CONNECTED, FAILED, KEPT

CONNECT_SECONDS = 5.0
# A large model takes its time to be uploaded; a server that dies meanwhile is noticed by each request's own timeout.
KEEP_SECONDS = 600.0
LEAVE_SECONDS = 1.0
REQUEST_SECONDS = "4"

# The field's terms, as other projects' runs name them.
_NAMES = {"user_knn": {"k": "n_neighbors"}, "item_knn": {"k": "n_neighbors"}}
_IMPLIED = {"user_knn": {"similarity": "cosine"}, "item_knn": {"similarity": "cosine"}}
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": REQUEST_SECONDS,
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "GIT_PYTHON_REFRESH": "quiet",
}


class MlflowRunTracker:
    """Opened when a run begins, so that its server is asked beside the run; MLflow is imported when it has ended."""

    def __init__(self, tracking_uri: str, experiment: str) -> None:
        """tracking_uri: empty for the store that `mlflow ui` finds in this process's folder."""
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._child: asyncio.subprocess.Process | None = None
        self._leash: Leash | None = None

    async def __aenter__(self) -> Self:
        if find_spec("mlflow") is None:
            structlog.get_logger().info("runs_not_tracked", reason="this install lacks the group `tracking`")
            return self
        try:
            await self._start()
        except OSError as error:
            structlog.get_logger().warning("runs_not_tracked", reason=str(error))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            await _ended(self._child)
        if self._leash is not None:
            self._leash.release()

    async def track(self, run: TrackedRun) -> bool:
        """Hand the run over and wait until it is kept."""
        if self._child is None:
            return False
        try:
            await self._kept(self._child, document_of(run))
        except Exception as error:  # a run that cannot be told must not fail what made it
            structlog.get_logger().warning("run_not_tracked", run=run.name, reason=str(error))
            return False
        return True

    async def _start(self) -> None:
        """By its path and with `-P`: a folder `core` in the working directory must not take our package's place."""
        uri = {"MLFLOW_TRACKING_URI": self._tracking_uri} if self._tracking_uri else {}
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        leash = Leash(signal.SIGKILL, grace_seconds=0)
        with leash.handed_over():
            self._child = await asyncio.create_subprocess_exec(
                *leash.command((sys.executable, "-P", mlflow_recording.__file__, self._experiment)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment | _QUIET | uri,
                start_new_session=True,
                pass_fds=(leash.child_end,),
            )
        self._leash = leash

    async def _kept(self, child: asyncio.subprocess.Process, document: Mapping[str, Any]) -> None:
        async with _within(CONNECT_SECONDS, child):
            await _told(child, CONNECTED)
            if child.stdin is None:
                raise _NotKept("its process cannot be written to")
            child.stdin.write(json.dumps(document).encode())
            child.stdin.close()
            await _told(child, CONNECTED)
        async with _within(KEEP_SECONDS, child):
            await _told(child, KEPT)


class _NotKept(Exception):
    """Why the child has not kept the run."""


async def _told(child: asyncio.subprocess.Process, word: str) -> None:
    """Wait for the child's next line, which must begin with the word."""
    if child.stdout is None:
        raise _NotKept("its process cannot be read from")
    line = (await child.stdout.readline()).decode().strip()
    if not line.startswith(word):
        raise _NotKept(line.removeprefix(FAILED).strip() or "the process that records it has ended")


@asynccontextmanager
async def _within(seconds: float, child: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """A child that takes longer is not asked to leave: nothing is known of what it waits for."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        child.kill()
        raise _NotKept(f"MLflow's store did not answer within {seconds:g} s") from error


async def _ended(child: asyncio.subprocess.Process) -> None:
    """It leaves by itself when its input ends; what it is busy with is cut short."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), LEAVE_SECONDS)
    except TimeoutError:
        child.kill()
        await child.wait()


def document_of(run: TrackedRun) -> dict[str, Any]:
    """The run as it travels: parameters flat and under the field's terms, metrics and series under admissible names."""
    algorithm = str(run.parameters.get("algorithm", ""))
    names = _NAMES.get(algorithm, {})
    parameters = {names.get(name, name): value for name, value in _flat(run.parameters)} | _IMPLIED.get(algorithm, {})
    return {
        "name": run.name,
        "parameters": {_admissible(name): str(value) for name, value in parameters.items()},
        "metrics": {_admissible(name): float(value) for name, value in run.metrics.items()},
        "series": {_admissible(name): [float(value) for value in values] for name, values in run.series.items()},
        "tags": {"kind": run.kind.value, **{_admissible(name): value for name, value in run.tags.items()}},
        "files": [str(path.absolute()) for path in run.files],
    }


def _flat(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Mappings become parameters of their own: {"weights": {"view": 1}} is weight_view."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from ((f"{name.removesuffix('s')}_{inner}", part) for inner, part in value.items())
        else:
            yield name, value


def _admissible(name: str) -> str:
    """MLflow admits letters, digits, and `_-./ :` in names."""
    return "".join(sign if sign.isalnum() or sign in "_-./ :" else "_" for sign in name)
