"""What happens when the server starts and when it stops."""

from contextlib import AsyncExitStack

import structlog
from sanic.http import Http
from sanic.response import BaseHTTPResponse

from web.context import App, HttpRequest, OpenUseCases
from web.metrics import open_metrics
from web.readiness import Phase


def add_lifespan(app: App, open_use_cases: OpenUseCases) -> None:
    """Open before the first request, close after the last; in between tell balancers when to look elsewhere."""
    stack = AsyncExitStack()

    async def open_(app: App) -> None:
        opened = app.ctx.opened = await stack.enter_async_context(open_use_cases(app.ctx.settings))
        await stack.enter_async_context(open_metrics(app.ctx.metrics, opened, app.ctx.settings, opened.breakers))

    async def close(app: App) -> None:
        app.ctx.opened = None
        await stack.aclose()

    app.before_server_start(open_)
    app.after_server_start(_begin_serving)
    app.before_server_stop(_begin_draining)
    app.after_server_stop(close)
    app.register_middleware(_close_connection_while_draining, "response")


async def _begin_serving(app: App) -> None:
    app.ctx.readiness.begin_serving()
    structlog.get_logger().info("serving", degraded=await app.ctx.use_cases.find_degradations())


async def _begin_draining(app: App) -> None:
    """Requests are still in hand here: nothing is closed yet, but nobody waits any longer."""
    app.ctx.readiness.begin_draining()
    app.ctx.use_cases.stop_waiting()


def _close_connection_while_draining(request: HttpRequest, _: BaseHTTPResponse) -> None:
    """Sanic closes idle connections once; one that becomes idle later would hold the process for its whole grace."""
    if request.app.ctx.readiness.phase is Phase.DRAINING and isinstance(request.stream, Http):
        request.stream.keep_alive = False
