"""One line in the log for each request, and the headers that every answer has."""

from time import perf_counter

import structlog
from sanic.response import BaseHTTPResponse

from web.answers import Header
from web.context import App, HttpRequest
from web.metrics import NO_SOURCE
from web.request_id import HEADER, request_id_of


def add_request_log(app: App) -> None:
    """Note when a request begins, and tell when it ends."""
    # Bound once: to put a logger together anew would cost each request as much as its line.
    log = structlog.get_logger().bind()

    async def end(request: HttpRequest, response: BaseHTTPResponse) -> None:
        seconds = perf_counter() - getattr(request.ctx, "began", perf_counter())
        _mark(request, response, seconds)
        source = response.headers.get(Header.FEED_SOURCE)
        request.app.ctx.metrics.answered(source or NO_SOURCE, response.status, seconds)
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status,
            duration_ms=round(seconds * 1000, 2),
            source=source,
            model_version=getattr(request.ctx, "model_version", None),
            request_id=request_id_of(request),
        )

    app.register_middleware(_begin, "request")
    app.register_middleware(end, "response")


async def _begin(request: HttpRequest) -> None:
    request.ctx.began = perf_counter()
    structlog.contextvars.bind_contextvars(request_id=request_id_of(request))


def _mark(request: HttpRequest, response: BaseHTTPResponse, seconds: float) -> None:
    timing = getattr(request.ctx, "timing", "")
    response.headers[HEADER] = request_id_of(request)
    response.headers["Server-Timing"] = f"app;dur={seconds * 1000:.2f}" + (f", {timing}" if timing else "")
