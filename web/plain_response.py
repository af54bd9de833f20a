"""Answers whose headers need no cleaning."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from sanic.compat import Header
from sanic.response import HTTPResponse

_OK = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: keep-alive\r\n"


class PlainResponse(HTTPResponse):
    """Sanic cleans each header, name and value, of line breaks; here most answers have none, and a look is quicker."""

    __slots__ = ()

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Names and values as they are sent."""
        headers: Header = self.headers
        headers.setdefault("content-type", self.content_type)
        sent = []
        for name, value in headers.items():
            text = value if isinstance(value, str) else str(value)
            if not text.isprintable():
                return super().processed_headers
            sent.append((_encoded(name), text.encode()))
        return iter(sent)


def response_bytes(headers: Mapping[str, str], body: bytes) -> bytes:
    """A whole answer, 200 with JSON, on a connection that stays; the header fields need no cleaning."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"{_OK}content-length: {len(body)}\r\n{lines}\r\n".encode("ascii") + body


@lru_cache(maxsize=256)
def _encoded(name: str) -> bytes:
    """All answers have the same few."""
    return name.encode("ascii")
