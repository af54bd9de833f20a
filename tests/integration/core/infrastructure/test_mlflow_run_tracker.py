"""Runs in MLflow: a local store, servers that are away, and two at once."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.application.ports.run_tracker import RunKind, RunTracker, TrackedRun
from core.infrastructure import mlflow_run_tracker
from core.infrastructure.mlflow_recording import probe
from core.infrastructure.mlflow_run_tracker import MlflowRunTracker, document_of
from tests.fakes.run_tracker import FakeRunTracker

# In a process of its own: MLflow stays out of the one that all tests share.
READ = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient()
experiment = client.get_experiment_by_name(sys.argv[1])
runs = client.search_runs([experiment.experiment_id])
print(json.dumps([{
    "name": run.info.run_name, "status": run.info.status, "params": run.data.params, "metrics": run.data.metrics,
    "tags": run.data.tags, "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
    "steps": {name: [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, name)]
              for name in run.data.metrics},
    "moments": {name: [m.timestamp for m in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics},
} for run in runs]))
"""


def run_with(name: str = "collaborative_filtering_v1", files: tuple[Path, ...] = ()) -> TrackedRun:
    return TrackedRun(
        kind=RunKind.TRAINING,
        name=name,
        parameters={"algorithm": "user_knn", "k": 200, "vote_half_life": 12.0, "weights": {"view": 0.1, "like": 0.7}},
        metrics={"ndcg_at_10": 0.2, "interactions": 39_066},
        series={"ndcg_at_10_by_window": (0.1, 0.3, 0.2)},
        tags={"gate": "passed"},
        files=files,
    )


def read_runs(folder: Path, experiment: str = "threads-ml") -> list[dict[str, Any]]:
    """The runs of the store that is found in the folder."""
    done = subprocess.run(
        [sys.executable, "-c", READ, experiment], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    )
    runs: list[dict[str, Any]] = json.loads(done.stdout)
    return runs


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(params=["fake", "mlflow"])
def tracker_that_is_away(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[RunTracker]:
    if request.param == "fake":
        return nullcontext(FakeRunTracker(is_away=True))
    return MlflowRunTracker("http://127.0.0.1:1", "threads-ml")


class FickleServer:
    """Answers all requests until it is told to fall silent."""

    def __init__(self) -> None:
        self.was_asked = asyncio.Event()
        self.is_silent = False
        self.status = "200 OK"
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if self.is_silent:
            await reader.read()
        else:
            writer.write(f"HTTP/1.0 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()
        self.was_asked.set()


@asynccontextmanager
async def fickle_server() -> AsyncIterator[FickleServer]:
    fickle = FickleServer()
    async with await asyncio.start_server(fickle.answer, "127.0.0.1", 0) as server:
        fickle.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield fickle


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_a_run_is_found_where_mlflow_looks_for_it(tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(b"a model")
    # Somebody else's package of our name, in the folder of the command.
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").touch()

    async with MlflowRunTracker("", "threads-ml") as tracker:
        assert await tracker.track(run_with(files=(tmp_path / "model.joblib",)))

    (run,) = await asyncio.to_thread(read_runs, tmp_path)
    assert (run["name"], run["status"]) == ("collaborative_filtering_v1", "FINISHED")
    assert run["params"] == {
        "algorithm": "user_knn",
        "n_neighbors": "200",
        "similarity": "cosine",
        "vote_half_life": "12.0",
        "weight_view": "0.1",
        "weight_like": "0.7",
    }
    assert run["metrics"]["ndcg_at_10"] == 0.2
    assert run["steps"]["ndcg_at_10_by_window"] == [[0, 0.1], [1, 0.3], [2, 0.2]]
    first, *others = run["moments"]["ndcg_at_10_by_window"]
    assert [moment - first for moment in others] == [1000, 2000]
    assert (run["tags"]["kind"], run["tags"]["gate"]) == ("training", "passed")
    assert run["files"] == ["model.joblib", "series.png"]


async def test_two_runs_that_end_at_once_in_a_new_folder_are_both_kept(tmp_path: Path) -> None:
    async def tracked(name: str) -> bool:
        async with MlflowRunTracker("", "threads-ml") as tracker:
            return await tracker.track(run_with(name))

    assert await asyncio.gather(tracked("one"), tracked("other")) == [True, True]

    assert {run["name"] for run in await asyncio.to_thread(read_runs, tmp_path)} == {"one", "other"}


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "http://no-such-host.invalid", "postgresql://u@127.0.0.1:1/m"])
async def test_a_server_that_is_not_there_costs_one_line(uri: str) -> None:
    with capture_logs() as logs:
        async with asyncio.timeout(60), MlflowRunTracker(uri, "threads-ml") as tracker:
            assert not await tracker.track(run_with())

    assert [log["event"] for log in logs] == ["run_not_tracked"]


async def test_a_tracker_that_is_away_says_that_nothing_was_kept(
    tracker_that_is_away: AbstractAsyncContextManager[RunTracker],
) -> None:
    async with asyncio.timeout(60), tracker_that_is_away as tracker:
        assert not await tracker.track(run_with())


async def test_a_server_that_falls_silent_during_the_run_is_not_waited_for() -> None:
    with capture_logs() as logs:
        async with asyncio.timeout(60), fickle_server() as server, MlflowRunTracker(server.url, "x") as tracker:
            await server.was_asked.wait()
            server.is_silent = True
            assert not await tracker.track(run_with())

    # Not MLflow's own words: it was not imported for it.
    assert [log["reason"] for log in logs] == ["timed out"]


async def test_a_server_is_asked_without_the_credentials_of_its_address() -> None:
    async with fickle_server() as server:
        await asyncio.to_thread(probe, server.url.replace("//", "//someone:secret@"))

        assert server.was_asked.is_set()


async def test_a_gateway_that_does_not_reach_the_server_is_no_server() -> None:
    async with fickle_server() as server:
        server.status = "401 Unauthorized"
        await asyncio.to_thread(probe, server.url)

        server.status = "503 Service Unavailable"
        with pytest.raises(OSError, match="Service Unavailable"):
            await asyncio.to_thread(probe, server.url)


async def test_a_server_that_never_answers_is_not_waited_for(silent_server: str) -> None:
    with capture_logs() as logs:
        async with asyncio.timeout(60), MlflowRunTracker(silent_server, "threads-ml") as tracker:
            assert not await tracker.track(run_with())

    assert [log["event"] for log in logs] == ["run_not_tracked"]
    assert mlflow_run_tracker.CONNECT_SECONDS <= 5


async def test_a_recording_process_that_is_killed_costs_its_run_alone() -> None:
    with capture_logs() as logs:
        async with asyncio.timeout(60), MlflowRunTracker("", "threads-ml") as tracker:
            assert tracker._child is not None
            tracker._child.kill()
            assert not await tracker.track(run_with())

    assert [log["reason"] for log in logs] == ["the process that records it has ended"]


async def test_a_figure_that_is_no_number_costs_its_run_alone() -> None:
    unmeasured: Any = None
    run = TrackedRun(RunKind.TRAINING, "collaborative_filtering_v1", {}, {"ndcg_at_10": unmeasured})

    with capture_logs() as logs:
        async with MlflowRunTracker("", "threads-ml") as tracker:
            assert not await tracker.track(run)

    assert [log["event"] for log in logs] == ["run_not_tracked"]


async def test_a_process_that_cannot_be_started_costs_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")

    with capture_logs() as logs:
        async with MlflowRunTracker("", "threads-ml") as tracker:
            assert not await tracker.track(run_with())

    assert [log["event"] for log in logs] == ["runs_not_tracked"]


async def test_a_run_that_never_came_leaves_nothing(tmp_path: Path) -> None:
    async with MlflowRunTracker("", "threads-ml") as tracker:
        child = tracker._child

    assert child is not None
    assert child.returncode is not None
    assert not (tmp_path / "mlflow.db").exists()


async def test_without_mlflow_in_the_install_nothing_is_tracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_run_tracker, "find_spec", lambda name: None)

    async with MlflowRunTracker("", "threads-ml") as tracker:
        assert not await tracker.track(run_with())


def test_names_are_made_such_as_mlflow_admits() -> None:
    run = TrackedRun(RunKind.TUNING, "tuning", {"a=b": 1}, {"ndcg@10": 0.5}, {"recall@10 (by trial)": [1]}, {})

    document = document_of(run)

    assert document["parameters"] == {"a_b": "1"}
    assert document["metrics"] == {"ndcg_10": 0.5}
    assert document["series"] == {"recall_10 _by trial_": [1.0]}
