"""Requests whose body is never held beyond the limit."""

from typing import Any, cast

from sanic import Request
from sanic.exceptions import PayloadTooLarge
from sanic.http import Http

from web.context import RequestContext
from web.json_body import MAX_BODY_BYTES

# What is sent beyond the limit is read and thrown away up to here: a connection that is closed while the caller still
# sends is reset, and the caller never sees the 413.
DISCARDED_BYTES = 8 * 1024 * 1024


class BoundedRequest(Request):
    """Refuses a body by its announced length where there is one, else as soon as it is too long."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._ctx = RequestContext()  # not at its first use: its time begins now

    async def receive_body(self) -> None:
        """Raise PayloadTooLarge before anything beyond the limit is kept."""
        announced = self.headers.getone("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        received = bytearray()
        async for chunk in cast(Http, self.stream):
            received += chunk
            if len(received) > MAX_BODY_BYTES:
                raise PayloadTooLarge
        self.body = bytes(received)
