"""The head of the request that is made most often, read from the bytes as they come in."""

import re
from typing import NamedTuple

from web.json_body import MAX_BODY_BYTES

LONGEST_HEAD_BYTES = 8192  # Sanic's own limit
KEEP_ALIVE = "keep-alive"
GENERATE_PATH = "/recommendations/generate"
_BEGINNING = f"POST {GENERATE_PATH} HTTP/1.1\r\n".encode()
_END = b"\r\n\r\n"
# Stricter than HTTP: whatever is unusual goes to who knows all of it.
_LINES = re.compile(rb"(?:[A-Za-z0-9_-]+:[\t\x20-\x7e]*\r\n)+")
# With any of these something else is to be done than to read a body and to answer.
_OTHER_WAYS = {"expect", "transfer-encoding", "upgrade"}
_READ = {"accept-encoding", "connection", "content-length", "content-type", "prefer", "x-request-id"}


class RequestHead(NamedTuple):
    """Header fields are empty where they were not sent; length: of the head itself, in bytes."""

    length: int
    body_length: int
    content_type: str
    accept_encoding: str
    prefer: str
    request_id: str


def read_head(received: bytes) -> RequestHead | None:
    """The head at the beginning of what was received; None unless it is there whole, and such as nearly all are."""
    if not received.startswith(_BEGINNING):
        return None
    end = received.find(_END, len(_BEGINNING))
    if not 0 <= end < LONGEST_HEAD_BYTES or _LINES.fullmatch(received, len(_BEGINNING), end + 2) is None:
        return None
    fields: dict[str, str] = {}
    for line in received[len(_BEGINNING) : end].decode("ascii").split("\r\n"):
        name, _, value = line.partition(":")
        name = name.lower()
        if name in _READ:
            if name in fields:
                return None
            fields[name] = value.strip()
        elif name in _OTHER_WAYS:
            return None
    body_length = _body_length(fields.get("content-length", ""))
    if body_length is None or fields.get("connection", KEEP_ALIVE).lower() != KEEP_ALIVE:
        return None
    return RequestHead(
        length=end + len(_END),
        body_length=body_length,
        content_type=fields.get("content-type", ""),
        accept_encoding=fields.get("accept-encoding", ""),
        prefer=fields.get("prefer", ""),
        request_id=fields.get("x-request-id", ""),
    )


def _body_length(sent: str) -> int | None:
    """None for what is no number, or too high a one."""
    if not sent.isdecimal() or len(sent) > len(str(MAX_BODY_BYTES)):
        return None
    length = int(sent)
    return length if length <= MAX_BODY_BYTES else None
