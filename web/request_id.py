"""The id that ties an answer to the log lines about it, a worker's included."""

import os
import re

from web.context import HttpRequest

HEADER = "X-Request-ID"
_VISIBLE = re.compile(r"[\x21-\x7e]{1,128}")


def request_id_of(request: HttpRequest) -> str:
    """The caller's own id if it is 1 to 128 visible ASCII characters, else one made for this request."""
    known: str | None = getattr(request.ctx, "request_id", None)
    if known is None:
        sent = request.headers.getone(HEADER, "")
        known = sent if _VISIBLE.fullmatch(sent) else os.urandom(16).hex()
        request.ctx.request_id = known
    return known
