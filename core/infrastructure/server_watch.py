"""Starts an embedded server again whenever it ends by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from asyncpg import InterfaceError, PostgresError

from core.domain.errors import ThreadsMlError
from core.infrastructure.embedded_server import EmbeddedServer
from core.infrastructure.process_supervisor import RestartBackoff
from core.infrastructure.task_ending import end_task

LOOK_EVERY_SECONDS = 0.25
LAST_START_SECONDS = 10.0


@asynccontextmanager
async def kept_running(server: EmbeddedServer) -> AsyncIterator[None]:
    """Watch the running server inside the block; stopping it is the caller's, after the block."""
    leaving = asyncio.Event()
    watching = asyncio.create_task(_restart_whenever_it_ends(server, leaving))
    try:
        yield
    finally:
        leaving.set()
        # A start under way is let finish: half of one could leave a server behind.
        await asyncio.wait({watching}, timeout=LAST_START_SECONDS)
        await end_task(watching)


async def _restart_whenever_it_ends(server: EmbeddedServer, leaving: asyncio.Event) -> None:
    log = structlog.get_logger().bind(server=type(server).__name__)
    backoff = RestartBackoff()
    while True:
        started_at = asyncio.get_running_loop().time()
        while server.process.exit_code is None:
            if await _is_set_within(leaving, LOOK_EVERY_SECONDS):
                return
        delay = backoff.delay_seconds(asyncio.get_running_loop().time() - started_at)
        log.warning("server_died", exit_code=server.process.exit_code, retry_in=delay)
        if await _is_set_within(leaving, delay):
            return
        try:
            await server.start()
        except (ThreadsMlError, OSError, PostgresError, InterfaceError) as error:
            log.error("server_not_started", error=str(error))


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
