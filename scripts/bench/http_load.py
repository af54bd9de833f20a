"""A steady load of HTTP requests from one process: as little as it takes, so that the server is what is measured."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. status: NO_ANSWER where the connection failed; began, seconds: by the monotonic clock."""

    status: int
    began: float
    seconds: float
    headers: bytes
    body: bytes


class Connection:
    """One kept-alive connection, opened anew after a failure."""

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        self._host, self._port, self._timeout_seconds = host, port, timeout_seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def ask(self, request: bytes) -> Answer:
        """Send one request and read its whole answer."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status, headers, body = await self._exchange(request)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            self._close()
            return Answer(NO_ANSWER, began, time.monotonic() - began, b"", repr(error).encode())
        return Answer(status, began, time.monotonic() - began, headers, body)

    async def _exchange(self, request: bytes) -> tuple[int, bytes, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        body = await reader.readexactly(_length(head))
        return status, head, body

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def post_request(path: str, body: bytes, headers: str = "") -> bytes:
    """A POST with a JSON body; headers: further lines, each with its end."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def steady_load(
    connections: Sequence[Connection],
    next_request: Callable[[], bytes],
    stop: asyncio.Event,
    on_answer: Callable[[Answer], None],
) -> None:
    """Each connection asks again as soon as it is answered, until the event is set."""

    async def ask_on(connection: Connection) -> None:
        while not stop.is_set():
            on_answer(await connection.ask(next_request()))

    await asyncio.gather(*[ask_on(connection) for connection in connections])


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
