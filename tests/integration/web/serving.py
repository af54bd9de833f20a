"""The application on a real port of the test's own event loop, and what tests of the process share."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import httpx
import msgspec
from sanic.server import AsyncioServer
from sanic.server.protocols.http_protocol import HttpProtocol

from core.application.get_post import GetPost
from core.settings import Settings
from tests.builders import Stage
from web.app import create_app
from web.degradations import FindDegradations
from web.shortcut import ShortcutProtocol
from web.wiring import UseCases


@dataclass(frozen=True)
class Served:
    """The running server, a client for it, and its port."""

    server: AsyncioServer
    client: httpx.AsyncClient
    port: int


@asynccontextmanager
async def served(
    stage: Stage, settings: Settings, protocol: type[HttpProtocol] = ShortcutProtocol
) -> AsyncIterator[Served]:
    """protocol: Sanic's own goes the long way with everything."""

    @asynccontextmanager
    async def open_stage(_: Settings) -> AsyncIterator[UseCases]:
        yield use_cases_of(stage)

    # Figures have tests of their own, and a port that all tests would share.
    app = create_app(msgspec.structs.replace(settings, metrics_port=0), open_stage)
    app.config.TOUCHUP = False  # which rewrites Sanic's own classes, and can do so once in a process
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = await app.create_server(sock=listener, protocol=protocol, return_asyncio_server=True)
        assert server is not None
        await server.startup()
        await server.before_start()
        await server.after_start()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield Served(server, client, port)
        await server.before_stop()
        await server.close()
        for connection in list(server.connections):
            connection.abort()
        await server.after_stop()


def use_cases_of(stage: Stage) -> UseCases:
    return UseCases(
        recommend_posts=stage.recommend_posts,
        get_feed=stage.get_feed,
        get_job=stage.get_job,
        hide_post=stage.hide_post,
        get_post=GetPost(stage.posts),
        record_interactions=stage.record_interactions,
        find_degradations=FindDegradations(stage.cache, stage.queue, stage.registry),
        measure_service=stage.measure_service,
        clock=stage.clock,
        stop_waiting=stage.signals.wake_all,
    )


async def interact(database_url: str, user_id: UUID) -> None:
    """Let the user see a post, in a real database."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "insert into user_interaction (id, user_id, post_id, interaction_type) "
        "values (gen_random_uuid(), $1, gen_random_uuid(), 'view')",
        user_id,
    )
    await connection.close()
