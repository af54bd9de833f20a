"""Starts an embedded server again whenever it ends by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from core.domain.errors import ThreadsMlError
from core.infrastructure.leashed_process import LeashedProcess
from core.infrastructure.process_supervisor import RestartBackoff

LOOK_EVERY_SECONDS = 0.25


class Server(Protocol):
    """A server that can be started again on the data of its last run."""

    @property
    def process(self) -> LeashedProcess: ...

    async def start(self) -> None: ...


@asynccontextmanager
async def kept_running(server: Server) -> AsyncIterator[None]:
    """Watch the running server inside the block; stopping it is the caller's, after the block."""
    watching = asyncio.create_task(_restart_whenever_it_ends(server))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _restart_whenever_it_ends(server: Server) -> None:
    log = structlog.get_logger().bind(server=type(server).__name__)
    backoff = RestartBackoff()
    while True:
        started_at = asyncio.get_running_loop().time()
        while server.process.exit_code is None:  # noqa: ASYNC110 - a process of another loop can only be asked
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        delay = backoff.delay_seconds(asyncio.get_running_loop().time() - started_at)
        log.warning("server_died", exit_code=server.process.exit_code, retry_in=delay)
        await asyncio.sleep(delay)
        try:
            await server.start()
        except ThreadsMlError as error:
            log.error("server_not_started", error=str(error))
