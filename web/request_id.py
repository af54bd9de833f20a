"""The id that ties an answer to the log lines about it, a worker's included."""

import os
import re
from typing import cast

import structlog
from sanic import Request

from web.context import HttpRequest

HEADER = "X-Request-ID"
_VISIBLE = re.compile(r"[\x21-\x7e]{1,128}")


def request_id_of(request: HttpRequest) -> str:
    """The caller's own id if it is 1 to 128 visible ASCII characters, else one made for this request."""
    context = request.ctx
    if not context.request_id:
        context.request_id = own_or_new(request.headers.getone(HEADER, ""))
    return context.request_id


def own_or_new(sent: str) -> str:
    """The same for a header as it was sent, empty where it was not."""
    return sent if sent and _VISIBLE.fullmatch(sent) else os.urandom(16).hex()


def name_request(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the id of the request that is being answered to whatever is logged meanwhile, by nobody else's code too."""
    if "request_id" not in event:
        request = cast(HttpRequest | None, Request._current.get(None))  # `get_current` raises where there is none
        if request is not None:
            event["request_id"] = request_id_of(request)
    return event
