"""A worker as it is deployed: `python -m worker`, with real processes and real signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from core.domain.job import GenerateMessage, Queue
from tests.builders import bare_environment, free_port, samples_of
from tests.integration.worker.conftest import Service, until

NOWHERE = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d", "REDIS_URL": "redis://127.0.0.1:1/0"}


class Worker:
    """A running worker and the file its output goes to."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.process = process
        self._output = output

    def lines(self) -> list[str]:
        return self._output.read_text().splitlines()

    def events(self, name: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.lines() if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    async def ended(self) -> int:
        """The exit code, once it has ended."""
        await until(self._has_ended, f"the worker has ended: {self.lines()}")
        return int(self.process.wait())

    def processes(self) -> list[psutil.Process]:
        """Those that take messages: below the supervisor and a Dramatiq each."""
        return [
            process
            for dramatiq in psutil.Process(self.process.pid).children()
            for process in dramatiq.children()
            if "resource_tracker" not in " ".join(process.cmdline())
        ]

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def _has_ended(self) -> bool:
        return self.process.poll() is not None


StartWorker = Callable[..., Worker]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartWorker]:
    """Starts workers, in a folder without a .env file, and leaves none behind."""
    workers: list[Worker] = []

    def start_worker(environment: Mapping[str, str], *arguments: str) -> Worker:
        output = tmp_path / f"worker-{len(workers)}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker", *arguments],
                cwd=tmp_path,
                env=bare_environment({"METRICS_PORT": "0", **environment}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        workers.append(Worker(process, output))
        return workers[-1]

    yield start_worker
    for worker in workers:
        if worker.process.poll() is None:
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()


@asynccontextmanager
async def running(service: Service, start: StartWorker, processes: int = 1, **settings: str) -> AsyncIterator[Worker]:
    """A worker that takes messages for people."""
    arguments = ("--queue", "feeds", "--processes", str(processes), "--threads", "2")
    worker = start({**service.environment, **settings}, *arguments)

    async def is_present() -> bool:
        assert worker.process.poll() is None, worker.lines()
        return await service.queue.workers_alive(Queue.FEEDS) >= processes

    await until(is_present, f"a worker is present: {worker.lines()}")
    yield worker


async def test_a_submitted_message_becomes_a_feed_in_postgres_and_redis(service: Service, start: StartWorker) -> None:
    user_id = uuid4()
    await service.interact(user_id, uuid4())
    async with running(service, start) as worker:
        (process,) = psutil.Process(worker.process.pid).children()
        threads_of_linear_algebra = process.environ()["OPENBLAS_NUM_THREADS"]

        await service.queue.submit(GenerateMessage(user_id, "request-7"))

        await until(lambda: service.cache.get(user_id), f"the feed is cached: {worker.lines()}")
        await until(lambda: service.is_released(user_id), "the lease has been released")
        exit_code = await worker.stop()
    (job,) = worker.events("job_done")
    assert await service.archive.get(user_id) == await service.cache.get(user_id)
    assert (job["request_id"], job["user_id"], job["outcome"]) == ("request-7", str(user_id), "feed_stored")
    assert {json.loads(line)["level"] for line in worker.lines() if line.startswith("{")} == {"info"}
    assert threads_of_linear_algebra == "1"
    assert exit_code == 0
    assert await service.is_nobody_present()


@pytest.mark.parametrize("to_all", [False, True], ids=["to the supervisor", "to every process, twice"])
async def test_sigterm_lets_the_job_in_hand_finish(service: Service, start: StartWorker, *, to_all: bool) -> None:
    user_id = uuid4()
    await service.interact(user_id, uuid4())
    async with running(service, start) as worker, service.pool.acquire() as connection:
        held = connection.transaction()
        await held.start()
        await connection.execute("lock table feed in exclusive mode")  # the job waits here
        await service.queue.submit(GenerateMessage(user_id, "request"))
        await until(lambda: service.is_running(user_id), "the job is in hand")
        supervisor = psutil.Process(worker.process.pid)
        told = [supervisor, *supervisor.children(recursive=True)] * 2 if to_all else [supervisor]

        for process in told:
            process.terminate()
        await until(service.is_nobody_present, "the worker has begun to drain")
        still_runs = worker.process.poll() is None
        await held.rollback()
        exit_code = await worker.ended()

    assert still_runs
    assert exit_code == 0
    assert await service.archive.get(user_id) is not None
    assert (await service.queue.depths())[Queue.FEEDS] == 0


async def test_a_process_that_is_killed_comes_back_while_the_other_works_on(
    service: Service, start: StartWorker
) -> None:
    before, after = uuid4(), uuid4()
    for user_id in (before, after):
        await service.interact(user_id, uuid4())
    port = free_port()
    async with running(service, start, processes=2, METRICS_PORT=str(port - 1)) as worker:
        killed, other = worker.processes()
        await service.queue.submit(GenerateMessage(before, "request"))
        await until(lambda: service.is_released(before), f"the feed is generated: {worker.lines()}")
        # Which it is told a moment before the process counts the job.
        await until(lambda: _has_counted(port, jobs=1), "the job is counted")

        killed.kill()
        await until(lambda: _are(worker.events("child_died"), 1), "the death is noticed")
        await service.queue.submit(GenerateMessage(after, "request"))
        await until(lambda: service.is_released(after), f"the feed is generated: {worker.lines()}")
        await until(lambda: _has_counted(port, jobs=2), "the job is counted")
        await until(lambda: _are(worker.events("kernels_ready"), 3), f"a third process is there: {worker.lines()}")
        living = worker.processes()
        figures = await scraped(port)
        exit_code = await worker.stop()

    assert other in living
    assert len(living) == 2
    assert figures["threads_ml_worker_restarts_total", "feeds"] == 1
    assert figures["threads_ml_jobs_total", "feed_stored", "feeds"] == 2
    assert figures["threads_ml_job_wait_seconds_count", "feeds"] == 2
    assert figures["threads_ml_job_duration_seconds_count", "feeds"] == 2
    assert exit_code == 0


async def test_when_the_supervisor_is_killed_its_processes_end(service: Service, start: StartWorker) -> None:
    async with running(service, start, processes=2) as worker:
        processes = psutil.Process(worker.process.pid).children(recursive=True)

        worker.process.kill()
        await until(lambda: _are([one for one in processes if _lives(one)], 0), "all have ended")


async def scraped(port: int) -> Mapping[tuple[str, ...], float]:
    async with httpx.AsyncClient() as client:
        return samples_of((await client.get(f"http://127.0.0.1:{port}/metrics")).text)


def _lives(process: psutil.Process) -> bool:
    """Ended ones may stay, as zombies, where the first process of a container buries no orphans."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def _has_counted(port: int, jobs: int) -> bool:
    figures = await scraped(port)
    return figures.get(("threads_ml_jobs_total", "feed_stored", "feeds")) == jobs


async def _are(found: list[Any], count: int) -> bool:
    return len(found) == count


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"REDIS_URL": ""}, "REDIS_URL"),
        ({"BROKER_URL": "somewhere"}, "BROKER_URL"),
        ({"WORKER_THREADS": "many"}, "WORKER_THREADS"),
    ],
    ids=["no database", "no redis", "no url", "no number"],
)
async def test_a_wrong_setting_ends_it_with_one_line_that_names_it(
    start: StartWorker, wrong: dict[str, str], named: str
) -> None:
    worker = start({**NOWHERE, **wrong}, "--queue", "feeds")

    exit_code = await worker.ended()

    assert exit_code == 78
    assert len(worker.lines()) == 1
    assert named in worker.lines()[0]


async def test_a_setting_that_only_the_registry_shows_to_be_wrong_ends_it_too(
    service: Service, start: StartWorker
) -> None:
    worker = start({**service.environment, "MODEL_PIN": "v99"}, "--queue", "feeds")

    exit_code = await worker.ended()

    (line,) = worker.events("worker_not_started")
    assert exit_code == 78
    assert "MODEL_PIN" in line["reason"]


async def test_without_its_database_it_does_not_begin_and_leaves_with_an_error(start: StartWorker) -> None:
    worker = start(NOWHERE, "--queue", "feeds-bulk", "--processes", "2")

    exit_code = await worker.ended()

    assert exit_code == 1
    assert worker.events("worker_not_started")


async def test_without_a_queue_it_says_how_to_name_one(start: StartWorker) -> None:
    worker = start(NOWHERE, "--processes", "0")

    assert await worker.ended() == 2
    assert "expected 1 or more" in worker.lines()[-1]
