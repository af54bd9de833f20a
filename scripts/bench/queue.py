"""`threads-ml bench queue`: how soon a worker begins with a job, beside Dramatiq's own Redis broker."""

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import dramatiq
import msgspec
import redis
import typer
from dramatiq import Worker
from dramatiq.brokers.redis import RedisBroker
from rich.progress import Progress
from rich.table import Table

from core.domain.errors import ThreadsMlError
from core.domain.job import Queue
from core.infrastructure.embedded_valkey import EmbeddedValkey
from core.settings import Settings
from scripts.bench.percentile import percentile
from scripts.command import command_app, console, run_to_end
from worker.broker import build_broker
from worker.careful_retries import CarefulRetries, NotedStarts

TARGET_P50_MS, TARGET_P99_MS, TARGET_RATIO = 3.0, 10.0, 50.0
TARGET_COMMANDS, TARGET_CPU_SHARE = 20.0, 0.01
IDLE_SECONDS, MEAN_PAUSE_SECONDS = 10.0, 0.25
THREADS = 4
WITHIN_SECONDS = 30
OURS, STOCK = "ours", "stock"
_RESULTS = "latencies"
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")

app = command_app()


@dataclass(frozen=True, slots=True)
class BrokerFigures:
    """From the enqueueing of a job to its actor's first line, on an idle queue; and what idling costs a process.

    idle_cpu_share: of one core, None where the system does not tell.
    """

    p50_ms: float
    p99_ms: float
    worst_ms: float
    idle_commands_a_second: float
    idle_cpu_share: float | None


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """Both brokers in one sitting, in turns, each with a server of its own. ratio: of the medians."""

    jobs: int
    ours: BrokerFigures
    stock: BrokerFigures
    ratio: float


@app.command()
def queue(
    jobs: Annotated[int, typer.Option(min=2, max=100_000, help="For each broker.")] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Measure start latency with random arrivals on an idle queue, and the cost of idling."""
    figures = run_to_end(measure(jobs, seed))
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


async def measure(jobs: int, seed: int, idle_seconds: float = IDLE_SECONDS) -> QueueFigures:
    """In a folder of its own, which goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as folder:
        async with (
            EmbeddedValkey(Path(folder) / OURS) as ours,
            EmbeddedValkey(Path(folder) / STOCK) as stock,
        ):
            return await asyncio.to_thread(
                _measured, {OURS: ours.url(0), STOCK: stock.url(0)}, jobs, seed, idle_seconds
            )


def broker_of(name: str, url: str) -> Any:
    """Ours as workers have it, or Dramatiq's as it comes."""
    if name == OURS:
        return build_broker(Settings(redis_url=url, broker_url=url), [CarefulRetries(), NotedStarts()])
    stock: Any = RedisBroker
    return stock(url=url)


def _measured(urls: dict[str, str], jobs: int, seed: int, idle_seconds: float) -> QueueFigures:
    with _worker(OURS, urls[OURS]) as ours, _worker(STOCK, urls[STOCK]) as stock:
        pids = {OURS: ours, STOCK: stock}
        senders = {name: _Sender(name, url) for name, url in urls.items()}
        latencies = _latencies(senders, jobs, random.Random(seed))  # noqa: S311 - pauses, no secrets
        idle = {name: _idle(senders[name].client, pids[name], idle_seconds) for name in urls}
    figures = {name: _figures(latencies[name], *idle[name]) for name in urls}
    return QueueFigures(jobs, figures[OURS], figures[STOCK], figures[STOCK].p50_ms / figures[OURS].p50_ms)


class _Sender:
    """Puts one job in and waits for what its actor says."""

    def __init__(self, name: str, url: str) -> None:
        self._actor = _declared(broker_of(name, url), None)
        self.client: Any = redis.Redis.from_url(url)

    def latency_ms(self) -> float:
        self._actor.send(time.monotonic())
        answer = self.client.blpop(_RESULTS, timeout=WITHIN_SECONDS)
        if answer is None:
            raise ThreadsMlError(f"no worker has begun with the job within {WITHIN_SECONDS} s")
        return float(answer[1])


def _latencies(senders: dict[str, _Sender], jobs: int, pauses: random.Random) -> dict[str, list[float]]:
    """In turns, with a pause of random length before each, so that each queue is idle when a job arrives."""
    for sender in senders.values():
        sender.latency_ms()
    latencies: dict[str, list[float]] = {name: [] for name in senders}
    with Progress(console=console, transient=True) as progress:
        for _ in progress.track(range(jobs), description="jobs"):
            for name, sender in senders.items():
                time.sleep(min(2.0, pauses.expovariate(1 / MEAN_PAUSE_SECONDS)))
                latencies[name].append(sender.latency_ms())
    return latencies


def _idle(client: Any, pid: int, seconds: float) -> tuple[float, float | None]:
    """Commands a second and share of a core while nothing is to be done."""
    commands, used = client.info("stats")["total_commands_processed"], _cpu_seconds(pid)
    began = time.monotonic()
    time.sleep(seconds)
    commands = client.info("stats")["total_commands_processed"] - commands - 1
    took, now_used = time.monotonic() - began, _cpu_seconds(pid)
    return commands / took, None if used is None or now_used is None else (now_used - used) / took


def _cpu_seconds(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


@contextmanager
def _worker(name: str, url: str) -> Iterator[int]:
    """A worker process for the block; gives its pid."""
    context = get_context("spawn")
    stop = context.Event()
    process = context.Process(target=_work, args=(name, url, stop), daemon=True)
    process.start()
    try:
        if process.pid is None:
            raise ThreadsMlError("the worker's process could not be started")
        yield process.pid
    finally:
        stop.set()
        process.join(WITHIN_SECONDS)
        process.kill()


def _work(name: str, url: str, stop: Any) -> None:
    broker = broker_of(name, url)
    _declared(broker, redis.Redis.from_url(url))
    worker = Worker(broker, worker_threads=THREADS)
    worker.start()
    stop.wait()
    worker.stop(timeout=1000)


def _declared(broker: Any, results: Any) -> Any:
    """The actor, which says how long ago it was sent for; the monotonic clock is one for all processes."""

    @dramatiq.actor(broker=broker, queue_name=Queue.FEEDS.value, actor_name="note")
    def note(sent_at: float) -> None:
        results.rpush(_RESULTS, 1000 * (time.monotonic() - sent_at))

    return note


def _figures(latencies: list[float], commands: float, cpu_share: float | None) -> BrokerFigures:
    return BrokerFigures(
        p50_ms=statistics.median(latencies),
        p99_ms=percentile(latencies, 0.99),
        worst_ms=max(latencies),
        idle_commands_a_second=commands,
        idle_cpu_share=cpu_share,
    )


def _table(figures: QueueFigures) -> Table:
    table = Table(
        "figure", OURS, STOCK, "aim", title=f"{figures.jobs} jobs each; medians {figures.ratio:.0f} times apart"
    )
    aims = (f"{TARGET_P50_MS:g}", f"{TARGET_P99_MS:g}", "", f"{TARGET_COMMANDS:g}", f"{TARGET_CPU_SHARE:g}")
    pairs = zip(asdict(figures.ours).items(), asdict(figures.stock).values(), aims, strict=True)
    for (name, ours), stock, aim in pairs:
        shown = ["?" if value is None else f"{value:.2f}" for value in (ours, stock)]
        table.add_row(name.replace("_", " "), *shown, aim)
    return table


if __name__ == "__main__":
    app()
