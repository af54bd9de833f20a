"""What users did, told as it happens."""

from sanic.response import HTTPResponse

from core.domain.event import EventsRefused
from web.answers import Header, json_answer
from web.context import App, HttpRequest
from web.events import read_events, receipt_body, refused_fields


def add_routes(app: App) -> None:
    """POST /interactions."""
    app.add_route(record, "/interactions", methods=["POST"])


async def record(request: HttpRequest) -> HTTPResponse:
    """202 with the number from which on feeds know of the events."""
    use_cases = request.app.ctx.use_cases
    told = read_events(request.headers.getone("content-type", ""), request.body, use_cases.clock.now())
    try:
        receipt = await use_cases.record_interactions(told.events, told.refusals, all_or_nothing=told.all_or_nothing)
    except EventsRefused as error:
        raise refused_fields(error, request.body) from error
    return json_answer(receipt_body(receipt), 202, {Header.CACHE_CONTROL: "no-store"})
