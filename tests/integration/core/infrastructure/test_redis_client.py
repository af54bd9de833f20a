"""How connections to Redis are opened, and how their failures show."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis.exceptions
from structlog.testing import capture_logs

from core.domain.errors import CacheUnavailable, ConfigurationError, QueueUnavailable, Unavailable
from core.infrastructure.redis_client import open_redis, translated, warn_of_eviction

Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WRONG_URLS = [
    "",
    "localhost:6379",
    "http://localhost:6379/0",
    "redis://",
    "redis://localhost:port/0",
    "redis://localhost:99999/0",
    "redis://localhost:6379/feeds",
    "redis://:secret#1@localhost:6379/0",
]


@asynccontextmanager
async def served(answer: Served, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that meets each connection in this way."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def behind_self_signed_tls(redis_url: str) -> AsyncIterator[str]:
    """A rediss:// URL whose certificate nobody has signed, in front of the server."""
    parts = urlsplit(redis_url)
    pipes: list[asyncio.Task[None]] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(parts.hostname, parts.port)
        back = asyncio.create_task(pipe(onward_reader, writer))
        pipes.append(back)
        await pipe(reader, onward_writer)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    async with served(forward, context) as port:
        yield f"rediss://:{parts.password}@127.0.0.1:{port}{parts.path}"
    await asyncio.gather(*pipes)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


async def test_a_client_speaks_to_the_database_that_the_url_names(redis_url: str, broker_url: str) -> None:
    async with open_redis(redis_url) as first, open_redis(broker_url) as second:
        await first.set("name", "first")

        assert await first.get("name") == b"first"
        assert await second.get("name") is None


@pytest.mark.parametrize("url", WRONG_URLS)
async def test_a_wrong_url_is_a_configuration_error_that_names_the_variable_and_no_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"BROKER_URL is wrong") as caught:
        async with open_redis(url, variable="BROKER_URL"):
            pass

    assert "secret" not in str(caught.value)


async def test_a_self_signed_certificate_is_accepted(redis_url: str) -> None:
    async with behind_self_signed_tls(redis_url) as url, open_redis(url, timeout_seconds=5) as client:
        assert await client.ping()


async def test_a_self_signed_certificate_is_refused_where_verification_is_wanted(redis_url: str) -> None:
    async with (
        behind_self_signed_tls(redis_url) as url,
        open_redis(url, timeout_seconds=5, verify_tls=True) as client,
    ):
        with pytest.raises(CacheUnavailable, match="certificate"), translated(CacheUnavailable):
            await client.ping()


async def test_a_server_that_keeps_silent_is_given_up_after_the_timeout() -> None:
    silence = asyncio.Event()

    async def keep_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silence.wait()
        writer.close()

    async with served(keep_silent) as port, open_redis(f"redis://127.0.0.1:{port}/0", timeout_seconds=0.05) as client:
        with pytest.raises(QueueUnavailable), translated(QueueUnavailable):
            await asyncio.wait_for(client.ping(), 5)
        silence.set()


async def test_nothing_is_sent_twice() -> None:
    requests: list[bytes] = []

    async def hang_up_after_a_command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"INCR" not in (request := await reader.read(65_536)):
            answers = request.count(b"\r\n*") + 1
            writer.write(b"-ERR unknown command\r\n" if b"HELLO" in request else b"+OK\r\n" * answers)
        requests.append(request)
        writer.close()

    async with served(hang_up_after_a_command) as port, open_redis(f"redis://127.0.0.1:{port}/0?protocol=2") as client:
        with pytest.raises(CacheUnavailable), translated(CacheUnavailable):
            await client.incr("counter")

    assert len(requests) == 1


async def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_again(redis_url: str) -> None:
    async with open_redis(redis_url, pool_size=1) as client, open_redis(redis_url) as operator:
        closed = await client.client_id()
        await operator.client_kill_filter(_id=closed)
        await operator.ping()

        assert await client.client_id() != closed


@pytest.mark.parametrize("unavailable", [CacheUnavailable, QueueUnavailable])
@pytest.mark.parametrize(
    "error", [redis.exceptions.ConnectionError("refused"), redis.exceptions.TimeoutError(), OSError("reset")]
)
def test_what_says_that_redis_is_away_becomes_the_given_error(unavailable: type[Unavailable], error: Exception) -> None:
    with pytest.raises(unavailable, match="Redis does not answer: "), translated(unavailable):
        raise error


def test_programming_errors_pass() -> None:
    with pytest.raises(redis.exceptions.DataError), translated(CacheUnavailable):
        raise redis.exceptions.DataError("a list is no value")


async def test_a_server_that_may_evict_the_queue_is_warned_of(broker_url: str) -> None:
    async with open_redis(broker_url) as client:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with capture_logs() as logs:
                await warn_of_eviction(client)
        finally:
            await client.config_set("maxmemory-policy", "noeviction")

    assert [line["event"] for line in logs] == ["queue_may_be_evicted"]
    assert logs[0]["maxmemory_policy"] == "allkeys-lru"


async def test_nothing_is_said_of_a_server_that_evicts_nothing_or_does_not_tell(broker_url: str) -> None:
    async with open_redis(broker_url) as telling, open_redis("redis://127.0.0.1:1/0") as absent:
        with capture_logs() as logs:
            await warn_of_eviction(telling)
            await warn_of_eviction(absent)

    assert logs == []
