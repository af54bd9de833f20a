"""A steady load of HTTP requests."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from scripts.bench.http_load import NO_ANSWER, Answer, Connection, post_request, steady_load

REQUEST = post_request("/echo", b'{"a": 1}', "Prefer: wait=1\r\n")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that gives back each request's body, and hangs up on `bye`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if body == b"bye":
                break
            writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n%s" % (length, body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_answers_come_whole_over_one_connection(port: int) -> None:
    async with Connection("127.0.0.1", port, 5) as connection:
        answers = [await connection.ask(REQUEST) for _ in range(3)]

    assert {(answer.status, answer.body) for answer in answers} == {(201, b'{"a": 1}')}
    assert all(answer.seconds > 0 for answer in answers)


async def test_a_lost_connection_is_no_answer_and_the_next_request_opens_another(port: int) -> None:
    async with Connection("127.0.0.1", port, 5) as connection:
        lost = await connection.ask(post_request("/", b"bye"))
        found = await connection.ask(REQUEST)

    assert (lost.status, found.status) == (NO_ANSWER, 201)


async def test_nobody_listening_is_no_answer() -> None:
    async with Connection("127.0.0.1", 1, 5) as connection:
        assert (await connection.ask(REQUEST)).status == NO_ANSWER


async def test_a_load_goes_on_until_it_is_stopped(port: int) -> None:
    stop, answers = asyncio.Event(), list[Answer]()

    def note(answer: Answer) -> None:
        answers.append(answer)
        if len(answers) == 50:
            stop.set()

    async with Connection("127.0.0.1", port, 5) as one, Connection("127.0.0.1", port, 5) as other:
        await steady_load([one, other], lambda: REQUEST, stop, note)

    assert len(answers) in {50, 51}
