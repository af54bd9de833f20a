"""Embedded servers that come back."""

import asyncio
import signal
from pathlib import Path

import redis.asyncio

from core.infrastructure.embedded_valkey import EmbeddedValkey
from core.infrastructure.server_watch import kept_running


async def test_a_killed_server_is_back_on_the_same_port_with_its_data(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "valkey") as server, kept_running(server):
        url, killed = server.url(0), server.process
        async with redis.asyncio.Redis.from_url(url) as client:
            await client.set("kept", "yes")

        killed.send(signal.SIGKILL)
        async with asyncio.timeout(20):
            while server.process is killed:  # noqa: ASYNC110 - the server is started by a task that tells nobody
                await asyncio.sleep(0.02)
        await _until_it_answers(url)

        async with redis.asyncio.Redis.from_url(server.url(0)) as client:
            assert await client.get("kept") == b"yes"
        assert server.url(0) == url


async def _until_it_answers(url: str) -> None:
    async with asyncio.timeout(20), redis.asyncio.Redis.from_url(url) as client:
        while True:
            try:
                await client.ping()
            except (redis.exceptions.RedisError, OSError):
                await asyncio.sleep(0.02)
            else:
                return
