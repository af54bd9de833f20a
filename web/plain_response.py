"""Answers whose headers need no cleaning."""

from collections.abc import Iterator

from sanic.response import HTTPResponse


class PlainResponse(HTTPResponse):
    """Sanic cleans each header, name and value, of line breaks; here most answers have none, and a look is quicker."""

    __slots__ = ()

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Names and values as they are sent."""
        self.headers.setdefault("content-type", self.content_type)
        headers = [(name, f"{value}") for name, value in self.headers.items()]
        if not all(value.isprintable() for _, value in headers):
            return super().processed_headers
        return iter([(name.encode("ascii"), value.encode()) for name, value in headers])
