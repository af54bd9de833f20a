"""How the job behind a ticket stands."""

from uuid import UUID

from sanic.response import HTTPResponse

from core.domain.errors import NotFound
from core.domain.ids import is_canonical
from web.answers import job_answer
from web.context import App, HttpRequest
from web.prefer import read_preferences
from web.request_id import request_id_of


def add_routes(app: App) -> None:
    """GET /recommendations/jobs/{ticket}."""
    app.add_route(show_job, "/recommendations/jobs/<ticket:str>", methods=["GET", "HEAD"])


async def show_job(request: HttpRequest, ticket: str) -> HTTPResponse:
    """The state, with the page when the job has succeeded; waited for as `Prefer: wait` wants."""
    if not is_canonical(ticket):
        raise NotFound("there is no such job: a ticket is a UUID")
    preferences = read_preferences(request.headers.getall("prefer", []))
    wait_seconds = preferences.wait_seconds or 0
    report = await request.app.ctx.use_cases.get_job(UUID(ticket), request_id_of(request), wait_seconds)
    return job_answer(report, preferences.applied())
