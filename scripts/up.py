"""`threads-ml up`: the whole service on one machine, from nothing."""

import asyncio
import os
import socket
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer

from core.application.describe_service import ServiceDescription
from core.domain.errors import ConfigurationError, ThreadsMlError
from core.domain.job import Queue
from core.domain.run import RunRequest
from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.data_directory import DataDirectory, RunningServers
from core.infrastructure.process_supervisor import ChildProcess, ProcessSupervisor, print_lines
from core.infrastructure.task_ending import end_task
from core.logs import set_up_logs
from core.settings import Settings
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end, until_signalled
from scripts.enqueue_active_users import generate_with_progress
from scripts.generate_fake_interactions import add_fake_interactions
from scripts.wiring import (
    check_reachable,
    open_bulk,
    open_description,
    server_environment,
    settings_for,
    start_missing_servers,
    without_servers,
    worker_child,
)

FAKE_COUNT, FAKE_DAYS, FAKE_SEED = 5000, 30, 0
READY_WITHIN_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.1

# Never through a proxy: it is this machine that is asked.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

app = command_app()


class NotReady(ThreadsMlError):
    """The web process has not become ready in time."""


@app.command()
def up(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the API. [default: PORT or 8000]")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of `worker`. [default: WORKER_PROCESSES]")
    ] = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Own servers, even when DATABASE_URL or REDIS_URL is set.")
    ] = False,
    no_clock: Annotated[
        bool, typer.Option("--no-clock", help="Train, enqueue and purge nothing by the clock.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Run the whole service here: servers, web, workers and clock, with data and a model if there are none yet."""
    run_to_end(until_signalled(_up(port, workers, data_dir, embedded=embedded, with_clock=not no_clock)))


async def _up(port: int | None, workers: int | None, data_dir: Path, *, embedded: bool, with_clock: bool) -> None:
    settings = settings_for(data_dir)
    set_up_logs(settings.log_level, "up")
    if embedded:
        settings = without_servers(settings)
    await check_reachable(settings)
    directory = DataDirectory(data_dir)
    with directory.held():
        port = _free_port(settings, port)
        async with AsyncExitStack() as stack:
            settings = await start_missing_servers(stack, settings, directory.path, with_redis=True)
            directory.write_servers(_running(settings, port))
            has_feeds = await _prepare(settings, data_dir)
            children = _children(settings, port, workers, data_dir, with_clock=with_clock)
            await _serve(stack, settings, directory.path, port, children, has_feeds=has_feeds)


async def _prepare(settings: Settings, data_dir: Path) -> bool:
    """Schema, interactions and a model; tells whether there are fresh feeds already."""
    await migrate(settings.database_url)
    described = await _described(settings)
    if described.interactions is None or described.interactions.count == 0:
        console.print("there are no interactions yet: making some up, to have something to show")
        await add_fake_interactions(settings, FAKE_COUNT, FAKE_DAYS, FAKE_SEED)
    if described.serving is None or described.serving.model is None:
        await _train(settings, data_dir)
        return False
    return described.feeds is not None and described.feeds.fresh > 0


async def _described(settings: Settings) -> ServiceDescription:
    async with open_description(settings) as describe:
        return await describe()


async def _train(settings: Settings, data_dir: Path) -> None:
    """In a process of its own, so that this one, which stays, never holds the numeric stack."""
    training = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.train", "--data-dir", str(data_dir)),
        # The service is to be there soon; who wants runs to compare trains by hand.
        env=os.environ | server_environment(settings) | {"TRACK_RUNS": "false"},
    )
    try:
        exit_code = await training.wait()
    except asyncio.CancelledError:
        training.terminate()
        await training.wait()
        raise
    if exit_code:
        console.print("no model could be trained: popular posts are served until one is")


async def _serve(
    stack: AsyncExitStack, settings: Settings, folder: Path, port: int, children: list[ChildProcess], *, has_feeds: bool
) -> None:
    supervisor = ProcessSupervisor(folder / "logs", write_lines=_show_lines)
    stack.push_async_callback(supervisor.stop)
    for child in children:
        await supervisor.start(child)
    serving = asyncio.create_task(supervisor.run_until(asyncio.Event()))
    welcoming = asyncio.create_task(_welcome(settings, port, has_feeds=has_feeds))
    try:
        await asyncio.wait([serving, welcoming], return_when=asyncio.FIRST_COMPLETED)
        if welcoming.done():
            welcoming.result()
        await serving
    finally:
        await end_task(welcoming)
        await supervisor.stop()
        await end_task(serving)


def _show_lines(name: str, lines: Sequence[str]) -> None:
    """Worker-bulk speaks to its log file only: a line for every user would bury the rest."""
    if name != "worker-bulk":
        print_lines(name, lines)


def _children(
    settings: Settings, port: int, workers: int | None, data_dir: Path, *, with_clock: bool
) -> list[ChildProcess]:
    """In the order in which they are started."""
    children = [
        _web_child(settings, port),
        worker_child(settings, Queue.FEEDS, workers),
        worker_child(settings, Queue.FEEDS_BULK),
    ]
    return [*children, _clock_child(settings, data_dir)] if with_clock else children


def _clock_child(settings: Settings, data_dir: Path) -> ChildProcess:
    command = (sys.executable, "-m", "scripts.clock", "--data-dir", str(data_dir))
    return ChildProcess("clock", command, env=server_environment(settings))


def _web_child(settings: Settings, port: int) -> ChildProcess:
    command = (sys.executable, "-m", "web", "--port", str(port))
    return ChildProcess("web", command, env=server_environment(settings))


async def _welcome(settings: Settings, port: int, *, has_feeds: bool) -> None:
    """Fill the cache if it is empty, wait for the API, and say how to try it."""
    if not has_feeds:
        await _fill(settings)
    await _until_ready(port)
    async with open_description(settings) as describe:
        user = await describe.facts.busiest_user()
    console.print(_how_to_try(port, user or "test-user"))


async def _fill(settings: Settings) -> None:
    """What is missing afterwards is generated when somebody asks for it: no reason not to serve."""
    async with open_bulk(settings) as bulk:
        try:
            request = RunRequest(within_days=settings.active_days, min_posts=settings.cold_start_min_interactions)
            await generate_with_progress(bulk, request, beside_others=True)
        except ThreadsMlError as error:
            console.print(f"not all feeds could be generated ahead: {error}")


async def _until_ready(port: int) -> None:
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_SECONDS
    while not await asyncio.to_thread(_is_ready, port):
        if asyncio.get_running_loop().time() > deadline:
            raise NotReady(f"the API has not become ready within {READY_WITHIN_SECONDS:.0f} s: its log says why")
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _is_ready(port: int) -> bool:
    with suppress(OSError), _DIRECTLY.open(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def _how_to_try(port: int, user: str) -> str:
    address = f"http://localhost:{port}"
    return (
        f"\nthreads-ml serves at {address} (description: {address}/docs). Try it:\n\n"
        f"    curl -X POST {address}/recommendations/generate -H 'Content-Type: application/json' "
        f"""-d '{{"user_id": "{user}", "limit": 10}}'\n"""
    )


def _free_port(settings: Settings, port: int | None) -> int:
    """The port that was asked for; only where nobody asked for one may it be another."""
    wanted = port or settings.listen_port
    if _is_free(wanted):
        return wanted
    if port is not None or settings.port is not None:
        raise ConfigurationError(f"port {wanted} is in use: stop what listens there, or choose another with --port")
    with socket.socket() as probe:
        probe.bind(("", 0))
        free: int = probe.getsockname()[1]
    console.print(f"port {wanted} is in use by another program: serving on {free}")
    return free


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("", port))
            return True
    return False


def _running(settings: Settings, port: int) -> RunningServers:
    return RunningServers(
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        broker_url=settings.effective_broker_url,
        api_url=f"http://localhost:{port}",
        pid=os.getpid(),
    )


if __name__ == "__main__":
    app()
