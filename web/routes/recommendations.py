"""A user's recommendations: generated when they are missing, or as they are stored."""

from time import perf_counter

from sanic.response import HTTPResponse

from core.application.job_report import JobReport
from core.domain.feed import FeedSource
from web.accepted_encoding import accept_encoding_of
from web.answers import page_answer, page_or_not_modified, ticket_answer
from web.context import App, HttpRequest
from web.prefer import read_preferences
from web.request_head import GENERATE_PATH
from web.request_id import request_id_of
from web.requests import body_request, query_request, read_body
from web.server_timing import timing_of


def add_routes(app: App) -> None:
    """POST /recommendations/generate and GET /recommendations/{user_id}."""
    app.add_route(generate, GENERATE_PATH, methods=["POST"])
    app.add_route(show_feed_of_generate, GENERATE_PATH, methods=["GET", "HEAD"])
    app.add_route(show_feed, "/recommendations/<user_id:str>", methods=["GET", "HEAD"])


async def generate(request: HttpRequest) -> HTTPResponse:
    """A page, or a ticket when the caller's patience is over."""
    context = request.app.ctx
    body = read_body(request.headers.getone("content-type", ""), request.body)
    asked = body_request(body, context.settings.recommendation_batch_size)
    preferences = read_preferences(request.headers.getall("prefer", []))
    patience = preferences.patience(context.settings.patience_seconds)
    began = perf_counter()
    answer = await context.use_cases.recommend_posts(asked, patience, request_id_of(request))
    if isinstance(answer, JobReport):
        return ticket_answer(answer, preferences.applied(accepted=True))
    request.ctx.model_version = answer.model_version
    request.ctx.timing = timing_of(answer, 1000 * (perf_counter() - began))
    applied = preferences.applied(popular=answer.source is FeedSource.POPULAR)
    return page_answer(answer, context.use_cases.clock.now(), accept_encoding_of(request), applied)


async def show_feed(request: HttpRequest, user_id: str) -> HTTPResponse:
    """The stored feed."""
    context = request.app.ctx
    asked = query_request(user_id, request.query_string, context.settings.recommendation_batch_size)
    page = await context.use_cases.get_feed(asked)
    request.ctx.model_version = page.model_version
    if_none_match = request.headers.getone("if-none-match", "")
    return page_or_not_modified(page, context.use_cases.clock.now(), accept_encoding_of(request), if_none_match)


async def show_feed_of_generate(request: HttpRequest) -> HTTPResponse:
    """A user may be called that too, and a path that takes POST alone would hide the feed."""
    return await show_feed(request, "generate")
