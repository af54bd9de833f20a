"""One line in the log for each request, and the headers that every answer has."""

from time import perf_counter

from sanic.response import BaseHTTPResponse

from web.answers import Header
from web.context import App, HttpRequest
from web.request_id import HEADER, request_id_of
from web.server_timing import SERVER_TIMING, whole_timing


def add_request_log(app: App) -> None:
    """Tell when a request ends; whatever is logged on the way there has its id."""

    # No coroutine: to make and to await one would cost each request as much as what is done here.
    def end(request: HttpRequest, response: BaseHTTPResponse) -> None:
        seconds = perf_counter() - request.ctx.began
        _mark(request, response, seconds)
        source = response.headers.get(Header.FEED_SOURCE)
        request.app.ctx.log.answered(
            request.method,
            request.path,
            response.status,
            seconds,
            source=source,
            model_version=request.ctx.model_version,
            request_id=request_id_of(request),
        )

    app.register_middleware(end, "response")


def _mark(request: HttpRequest, response: BaseHTTPResponse, seconds: float) -> None:
    timing = request.ctx.timing
    response.headers[HEADER] = request_id_of(request)
    response.headers[SERVER_TIMING] = whole_timing(seconds, timing)
