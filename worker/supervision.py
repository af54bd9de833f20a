"""Keeps the processes of one worker command running, and shows them to Prometheus as one."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace

import structlog

from core.domain.errors import ConfigurationError, QueueUnavailable, ThreadsMlError
from core.domain.job import Queue
from core.infrastructure.metrics_endpoint import metrics_served
from core.infrastructure.postgres_pool import borrowed, open_pool
from core.infrastructure.process_supervisor import ChildMisconfigured, ChildProcess, ProcessSupervisor
from core.infrastructure.redis_client import open_redis, translated
from core.infrastructure.temporary_folder import temporary_folder
from core.settings import Settings
from worker.job_metrics import environment_of_process
from worker.process_metrics import process_metrics

# Platforms kill 30 s after SIGTERM; after draining a process has its pools to close.
DRAIN_MILLISECONDS = 25_000
STOP_SECONDS = 27.0
BROKER_TIMEOUT_SECONDS = 5.0
SET_UP = {Queue.FEEDS: "worker.main:feeds", Queue.FEEDS_BULK: "worker.main:feeds_bulk"}
# Beside the web process's, so that all of one machine can be asked.
METRICS_PORT_OFFSETS = {Queue.FEEDS: 1, Queue.FEEDS_BULK: 2}


async def supervise(settings: Settings, queue: Queue, processes: int, threads: int) -> int:
    """Run until SIGTERM or Ctrl-C, and give the exit code; without its servers it does not begin."""
    with _stop_requested() as stop:
        try:
            await _check_servers(settings)
            await _run(settings, queue, _children(queue, processes, threads), stop)
        except ChildMisconfigured:
            return ConfigurationError.EXIT_CODE
        except ThreadsMlError as error:
            structlog.get_logger().error("worker_not_started", reason=str(error))
            return ConfigurationError.EXIT_CODE if isinstance(error, ConfigurationError) else 1
    return 0


async def _run(settings: Settings, queue: Queue, children: list[ChildProcess], stop: asyncio.Event) -> None:
    supervisor = ProcessSupervisor(head_start_seconds=0)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(temporary_folder("threads-ml-metrics-"))
        registry = process_metrics(folder, queue, supervisor)
        port = settings.metrics_port and settings.metrics_port + METRICS_PORT_OFFSETS[queue]
        await stack.enter_async_context(metrics_served(registry, settings.metrics_host, port))
        stack.push_async_callback(supervisor.stop)
        for slot, child in enumerate(children):
            await supervisor.start(replace(child, env=environment_of_process(folder, slot)))
        await supervisor.run_until(stop)


def _children(queue: Queue, processes: int, threads: int) -> list[ChildProcess]:
    """One Dramatiq each: a single one stops all of its processes when one of them dies."""
    command = (
        *(sys.executable, "-m", "dramatiq", SET_UP[queue], "--processes", "1", "--threads", str(threads)),
        *("--worker-shutdown-timeout", str(DRAIN_MILLISECONDS), "--skip-logging"),
    )
    return [
        ChildProcess(f"{queue.value}-{slot}", command, stop_timeout_seconds=STOP_SECONDS, shares_output=True)
        for slot in range(processes)
    ]


async def _check_servers(settings: Settings) -> None:
    """Raise Unavailable now: once it has begun, its processes are tried again until the servers are back."""
    async with open_pool(settings.database_url, 1) as pool, borrowed(pool) as connection:
        await connection.execute("select 1")
    async with open_redis(
        settings.effective_broker_url,
        timeout_seconds=BROKER_TIMEOUT_SECONDS,
        verify_tls=settings.redis_tls_verify,
        variable="BROKER_URL",
    ) as broker:
        with translated(QueueUnavailable):
            await broker.ping()


@contextmanager
def _stop_requested() -> Iterator[asyncio.Event]:
    """Set by the first signal that asks for an end; further ones, which platforms send to all, change nothing."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
