"""The process that `python -m web` is."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from core.domain.ids import to_uuid
from core.domain.job import Queue
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_worker_presence import RedisWorkerPresence
from tests.builders import free_port, samples_of
from tests.house.tree import ROOT
from tests.integration.web.serving import interact

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(autouse=True)
def folder_without_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def environment(**variables: str) -> dict[str, str]:
    unwanted = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PORT", "API_PORT")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PYTHONPATH": str(ROOT), "METRICS_PORT": "0", **variables}


def run_web(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "web", *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def web_process(port: int, **variables: str) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        [sys.executable, "-m", "web", "--host", "127.0.0.1", "--port", str(port)],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_until_serving(process: "subprocess.Popen[str]") -> Iterator[dict[str, object]]:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        yield event
        if event["event"] == "serving":
            return


def test_with_a_database_that_is_away_and_no_redis_it_serves_and_says_what_is_missing() -> None:
    port = free_port()
    with web_process(port, DATABASE_URL=NOWHERE) as process:
        events = list(lines_until_serving(process))
        url = f"http://127.0.0.1:{port}"
        ready = httpx.get(f"{url}/ready")
        answer = httpx.post(f"{url}/recommendations/generate", json={"user_id": "test-user"})
        resident_megabytes = psutil.Process(process.pid).memory_info().rss / 2**20
        process.send_signal(signal.SIGTERM)
        exit_code = process.wait(25)

    missing = [
        "redis: REDIS_URL is not set",
        "queue: neither BROKER_URL nor REDIS_URL is set",
        "postgres: unreachable",
    ]
    assert events[-1]["degraded"] == missing
    assert ready.json() == {"status": "ready", "degraded": missing}
    assert (answer.status_code, answer.headers["feed-source"]) == (200, "popular")
    assert resident_megabytes < 100
    assert exit_code == 0


async def test_figures_are_served_on_a_port_of_their_own(
    migrated_database_url: str, redis_url: str, broker_url: str
) -> None:
    port, metrics_port = free_port(), free_port()
    servers = {"DATABASE_URL": migrated_database_url, "REDIS_URL": redis_url, "BROKER_URL": broker_url}
    with web_process(port, METRICS_PORT=str(metrics_port), **servers) as process:
        await asyncio.to_thread(list, lines_until_serving(process))
        async with httpx.AsyncClient(timeout=30) as client:
            await client.post(f"http://127.0.0.1:{port}/recommendations/generate", json={"user_id": "nobody"})
            in_public = await client.get(f"http://127.0.0.1:{port}/metrics")
            figures = await scraped_with(client, metrics_port, "threads_ml_feeds")

    assert in_public.status_code == 404
    assert figures["threads_ml_request_duration_seconds_count", "popular", "200"] == 1
    assert figures["threads_ml_cache_misses_total",] == 1
    assert figures["threads_ml_waiters",] == 0
    assert figures["threads_ml_workers_alive", "feeds"] == 0
    assert figures["threads_ml_feeds", "fresh"] == 0
    assert figures["process_resident_memory_bytes",] > 0


async def scraped_with(client: httpx.AsyncClient, port: int, name: str) -> Mapping[tuple[str, ...], float]:
    """Scrapes until the figure is among them, which is measured in the background."""
    deadline = asyncio.get_running_loop().time() + 15
    while True:
        figures = samples_of((await client.get(f"http://127.0.0.1:{port}/metrics")).text)
        if any(sample[0] == name for sample in figures):
            return figures
        assert asyncio.get_running_loop().time() < deadline, figures
        await asyncio.sleep(0.02)


def test_a_metrics_port_that_is_taken_costs_a_log_line_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        metrics_port = taken.getsockname()[1]
        with web_process(free_port(), DATABASE_URL=NOWHERE, METRICS_PORT=str(metrics_port)) as process:
            events = list(lines_until_serving(process))

    (line,) = [event for event in events if event["event"] == "metrics_not_served"]
    assert line["port"] == metrics_port
    assert "in use" in str(line["reason"])


async def test_sigterm_ends_the_waiting_and_then_the_process(
    migrated_database_url: str, redis_url: str, broker_url: str
) -> None:
    await interact(migrated_database_url, to_uuid("anna"))
    port, servers = free_port(), {"DATABASE_URL": migrated_database_url, "REDIS_URL": redis_url}
    async with open_redis(broker_url, timeout_seconds=10) as broker, httpx.AsyncClient(timeout=30) as client:
        await RedisWorkerPresence(broker, "a-worker").beat(Queue.FEEDS)
        with web_process(port, **servers, BROKER_URL=broker_url) as process:
            await asyncio.to_thread(list, lines_until_serving(process))
            url = f"http://127.0.0.1:{port}/recommendations/generate"
            asking = asyncio.create_task(client.post(url, json={"user_id": "anna"}, headers={"Prefer": "wait=25"}))
            assert await broker.blpop(["dramatiq:feeds"], timeout=5) is not None
            process.send_signal(signal.SIGTERM)
            answer = await asking
            exit_code = await asyncio.to_thread(process.wait, 10)

    assert answer.status_code == 202
    assert exit_code == 0


def test_a_busy_port_is_one_line_and_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_web("--host", "127.0.0.1", "--port", str(port), DATABASE_URL=NOWHERE)

    assert ended.returncode == 1
    assert ended.stderr == f"port {port} is in use: stop what listens there, or choose another with --port\n"
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"DATABASE_URL": NOWHERE, "REDIS_URL": "http://x"}, "REDIS_URL"),
        ({"DATABASE_URL": NOWHERE, "PORT": "99999"}, "PORT"),
        ({"DATABASE_URL": NOWHERE, "RECOMMENDATION_BATCH_SIZE": "101"}, "RECOMMENDATION_BATCH_SIZE"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_exit_code_78(variables: dict[str, str], named: str) -> None:
    ended = run_web(**{"PORT": str(free_port()), **variables})

    assert ended.returncode == 78
    assert ended.stderr.startswith(named)
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""
