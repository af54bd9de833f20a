"""Requests whose head can be read in one way only, and whose body is never held beyond the limit."""

import re
from typing import Any, cast

from sanic import Request
from sanic.exceptions import BadRequest, BadURL, PayloadTooLarge
from sanic.http import Http

from web.context import RequestContext
from web.json_body import MAX_BODY_BYTES, MAX_EVENTS_BYTES

# What is sent beyond the limit is read and thrown away up to here: a connection that is closed while the caller still
# sends is reset, and the caller never sees the 413.
DISCARDED_BYTES = 8 * 1024 * 1024
# A thousand events are more than any other request.
_LIMITS = {"/interactions": MAX_EVENTS_BYTES}
# A name that a blank follows or precedes, a lone line break: of these a router may make another request than Sanic does
# (RFC 9112, sections 5.1, 5.2 and 11.2).
_HEAD = re.compile(rb"[^\r\n\x00]*(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\x00]*)*")


def body_limit(path: str) -> int:
    """The most bytes of a body that is sent to the path."""
    return _LIMITS.get(path, MAX_BODY_BYTES)


class BoundedRequest(Request):
    """Refuses a body by its announced length where there is one, else as soon as it is too long."""

    def __init__(self, *, url_bytes: bytes, head: bytes = b"", **named: Any) -> None:
        """Raises BadRequest. Without a head it stands for what could not be read, and is a request whatever its URL."""
        try:
            super().__init__(url_bytes=url_bytes, head=head, **named)
        except BadURL:
            if head:
                raise
            super().__init__(url_bytes=b"*", **named)
        if _HEAD.fullmatch(head) is None:
            raise BadRequest("a line of the head is not as HTTP wants it")
        self._ctx = RequestContext()  # not at its first use: its time begins now

    async def receive_body(self) -> None:
        """Raise PayloadTooLarge before anything beyond the limit is kept."""
        announced = self.headers.getone("content-length", "")
        if announced.isdecimal() and self._is_too_long(int(announced)):
            raise PayloadTooLarge
        received = bytearray()
        async for chunk in cast(Http, self.stream):
            received += chunk
            if self._is_too_long(len(received)):
                raise PayloadTooLarge
        self.body = bytes(received)

    def _is_too_long(self, size: int) -> bool:
        """The path is taken apart for the few that are longer than most may be."""
        return size > MAX_BODY_BYTES and size > body_limit(self.path)
