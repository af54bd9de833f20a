"""Posts that must not be served, or not for ever."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType
from sanic.response import HTTPResponse

from core.domain.ids import to_uuid
from core.domain.post_state import PostState
from web.answers import Header, json_answer
from web.context import App, HttpRequest
from web.post_requests import read_post_body, read_post_id


class PostStateBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was said of a post: its id as the caller wrote it; without `expires_at` it does not expire."""

    post_id: str
    hidden: bool
    expires_at: datetime | UnsetType = UNSET


def add_routes(app: App) -> None:
    """PUT and GET /posts/{post_id}."""
    # One route: of two with one path a wrong method would not be told which there are.
    app.add_route(handle, "/posts/<post_id:str>", methods=["GET", "HEAD", "PUT"])


async def handle(request: HttpRequest, post_id: str) -> HTTPResponse:
    """Each method by its own."""
    text = read_post_id(post_id)
    return await (put_post if request.method == "PUT" else show_post)(request, text)


async def put_post(request: HttpRequest, text: str) -> HTTPResponse:
    """Hide the post, let it expire, or show it again."""
    said = read_post_body(request.headers.getone("content-type", ""), request.body)
    hide_post = request.app.ctx.use_cases.hide_post
    return _answer(text, await hide_post(to_uuid(text), hidden=said.hidden, expires_at=said.expires_at))


async def show_post(request: HttpRequest, text: str) -> HTTPResponse:
    """What was said of the post."""
    return _answer(text, await request.app.ctx.use_cases.get_post(to_uuid(text)))


def _answer(text: str, state: PostState) -> HTTPResponse:
    body = PostStateBody(text, state.hidden, UNSET if state.expires_at is None else state.expires_at)
    return json_answer(body, 200, {Header.CACHE_CONTROL: "no-store"})
