"""What a breaker spares the callers of a Redis that is away or silent."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.domain.errors import CacheUnavailable, QueueUnavailable
from core.domain.job import GenerateMessage
from core.infrastructure.circuit_breaker import CircuitBreaker, CircuitState
from core.infrastructure.embedded_valkey import EmbeddedValkey
from core.infrastructure.redis_client import POOL_SIZE, open_redis, translated
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_job_queue import RedisJobQueue

Ask = Callable[[Any], Awaitable[object]]
NOWHERE = "redis://127.0.0.1:1/0"
WITHIN_SECONDS = 20


async def get(client: Any) -> object:
    return await client.get("name")


async def run_script(client: Any) -> object:
    return await client.register_script("return 1")()


async def run_pipeline(client: Any) -> object:
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.get("name")
        return await pipeline.execute()


@pytest.fixture
async def own_valkey(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A server that may be stopped."""
    async with EmbeddedValkey(tmp_path / "valkey") as server:
        yield server
        server.process.send(signal.SIGCONT)


async def test_who_waits_in_vain_for_a_busy_connection_says_nothing_about_the_server(redis_url: str) -> None:
    breaker = CircuitBreaker("redis", failures_in_a_row=1)
    async with open_redis(redis_url, timeout_seconds=2, breaker=breaker) as client:
        asked = [client.blpop(f"nothing:{number}", timeout=0.7) for number in range(5 * POOL_SIZE)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert TimeoutError in map(type, outcomes)
    assert breaker.state is CircuitState.CLOSED


@pytest.mark.parametrize("ask", [get, run_script, run_pipeline])
async def test_calls_of_every_kind_open_it_and_are_refused_while_it_is_open(ask: Ask) -> None:
    breaker = CircuitBreaker("redis", failures_in_a_row=2, rest_seconds=3600)
    async with open_redis(NOWHERE, breaker=breaker) as client:
        for _ in range(2):
            with pytest.raises(CacheUnavailable, match="does not answer"), translated(CacheUnavailable):
                await ask(client)

        with pytest.raises(CacheUnavailable, match="left alone"), translated(CacheUnavailable):
            await ask(client)

    assert breaker.state is CircuitState.OPEN


@pytest.mark.parametrize("ask", [get, run_script, run_pipeline])
async def test_calls_of_every_kind_close_it(redis_url: str, ask: Ask) -> None:
    breaker = CircuitBreaker("redis", failures_in_a_row=1, rest_seconds=0)
    with pytest.raises(OSError, match="away"), breaker.call(OSError(), OSError):
        raise OSError("away")
    async with open_redis(redis_url, timeout_seconds=5, breaker=breaker) as client:
        await ask(client)

    assert breaker.state is CircuitState.CLOSED


async def test_a_command_that_the_server_refuses_leaves_it_closed(redis_url: str) -> None:
    breaker = CircuitBreaker("redis", failures_in_a_row=1)
    async with open_redis(redis_url, timeout_seconds=5, breaker=breaker) as client:
        with pytest.raises(CacheUnavailable, match="unknown command"), translated(CacheUnavailable):
            await client.execute_command("NOSUCH")

    assert breaker.state is CircuitState.CLOSED


async def test_a_silent_server_is_noticed_once_and_used_again_when_it_speaks(own_valkey: EmbeddedValkey) -> None:
    breaker = CircuitBreaker("redis", failures_in_a_row=2, rest_seconds=0.05)
    async with open_redis(own_valkey.url(0), timeout_seconds=0.2, breaker=breaker) as client:
        cache, queue = RedisFeedCache(client), RedisJobQueue(client)
        await cache.get(uuid4())
        own_valkey.process.send(signal.SIGSTOP)
        with pytest.raises(CacheUnavailable):
            await cache.get(uuid4())
        with pytest.raises(QueueUnavailable):
            await queue.submit(GenerateMessage(uuid4(), "request-1"))
        is_open = breaker.state is CircuitState.OPEN

        own_valkey.process.send(signal.SIGCONT)
        async with asyncio.timeout(WITHIN_SECONDS):
            while breaker.state is CircuitState.OPEN:
                await _looked(cache)

    assert is_open


async def test_a_server_that_speaks_again_is_used_again_though_nobody_asked(own_valkey: EmbeddedValkey) -> None:
    breaker = CircuitBreaker("redis", failures_in_a_row=1, rest_seconds=0.05)
    async with open_redis(own_valkey.url(0), timeout_seconds=0.2, breaker=breaker) as client:
        own_valkey.process.send(signal.SIGSTOP)
        with pytest.raises(CacheUnavailable):
            await RedisFeedCache(client).get(uuid4())
        was_open = breaker.state is CircuitState.OPEN

        own_valkey.process.send(signal.SIGCONT)
        async with asyncio.timeout(WITHIN_SECONDS):
            while breaker.state is CircuitState.OPEN:  # noqa: ASYNC110 - it tells the log alone
                await asyncio.sleep(0.02)

    assert was_open


async def _looked(cache: RedisFeedCache) -> None:
    try:
        await cache.get(uuid4())
    except CacheUnavailable:
        await asyncio.sleep(0.02)
