"""Workers are counted while they give signs of life, in the fake and in Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from core.application.ports.worker_presence import WorkerPresence
from core.domain.errors import QueueUnavailable
from core.domain.job import Queue
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_job_queue import RedisJobQueue
from core.infrastructure.redis_worker_presence import ALIVE_SECONDS, RedisWorkerPresence
from tests.fakes.worker_presence import FakeWorkerPresence


@dataclass
class Workers:
    """Two processes, and how many are counted."""

    first: WorkerPresence
    second: WorkerPresence
    count: Callable[[Queue], Awaitable[int]]


@pytest.fixture
async def client(broker_url: str) -> AsyncIterator[Any]:
    async with open_redis(broker_url, timeout_seconds=5) as opened:
        yield opened


@pytest.fixture(params=["fake", "redis"])
def workers(request: pytest.FixtureRequest) -> Workers:
    if request.param == "fake":
        return fake_workers()
    client = request.getfixturevalue("client")
    presences = (RedisWorkerPresence(client, name) for name in ("first", "second"))
    return Workers(*presences, RedisJobQueue(client).workers_alive)


def fake_workers() -> Workers:
    first = FakeWorkerPresence("first")

    async def count(queue: Queue) -> int:
        return len(first.alive[queue])

    return Workers(first, FakeWorkerPresence("second", first.alive), count)


@asynccontextmanager
async def absent_presence(kind: str) -> AsyncIterator[WorkerPresence]:
    """A presence whose server does not answer."""
    if kind == "fake":
        yield FakeWorkerPresence(unavailable=True)
        return
    async with open_redis("redis://127.0.0.1:1/0") as client:
        yield RedisWorkerPresence(client, "first")


async def test_nobody_is_counted_before_the_first_beat(workers: Workers) -> None:
    assert await workers.count(Queue.FEEDS) == 0


async def test_processes_are_counted_by_queue_and_once_each(workers: Workers) -> None:
    await workers.first.beat(Queue.FEEDS)
    await workers.first.beat(Queue.FEEDS)
    await workers.second.beat(Queue.FEEDS)
    await workers.second.beat(Queue.FEEDS_BULK)

    assert await workers.count(Queue.FEEDS) == 2
    assert await workers.count(Queue.FEEDS_BULK) == 1


async def test_who_has_left_is_not_counted(workers: Workers) -> None:
    await workers.first.beat(Queue.FEEDS)
    await workers.second.beat(Queue.FEEDS)

    await workers.first.leave(Queue.FEEDS)

    assert await workers.count(Queue.FEEDS) == 1


async def test_leaving_without_having_come_does_no_harm(workers: Workers) -> None:
    await workers.first.leave(Queue.FEEDS)

    assert await workers.count(Queue.FEEDS) == 0


@pytest.mark.parametrize("kind", ["fake", "redis"])
@pytest.mark.parametrize("call", ["beat", "leave"])
async def test_without_its_server_every_call_says_so(kind: str, call: str) -> None:
    async with absent_presence(kind) as presence:
        with pytest.raises(QueueUnavailable):
            await getattr(presence, call)(Queue.FEEDS)


async def test_a_process_that_was_killed_is_soon_not_counted_and_then_forgotten(client: Any) -> None:
    killed, alive = RedisWorkerPresence(client, "killed"), RedisWorkerPresence(client, "alive")
    await killed.beat(Queue.FEEDS)
    await client.zincrby("workers:feeds", -ALIVE_SECONDS, "killed")  # as if its last beat were that long ago
    counted = await RedisJobQueue(client).workers_alive(Queue.FEEDS)

    await alive.beat(Queue.FEEDS)

    assert counted == 0
    assert await client.zrange("workers:feeds", 0, -1) == [b"alive"]


async def test_a_beat_counts_for_ten_seconds_of_the_servers_clock(client: Any) -> None:
    before, _ = await client.time()

    await RedisWorkerPresence(client, "first").beat(Queue.FEEDS)

    after, _ = await client.time()
    assert before + ALIVE_SECONDS <= await client.zscore("workers:feeds", "first") <= after + ALIVE_SECONDS


async def test_what_the_last_worker_leaves_behind_goes_by_itself(client: Any) -> None:
    await RedisWorkerPresence(client, "first").beat(Queue.FEEDS)

    assert 0 < await client.ttl("workers:feeds") <= 10 * ALIVE_SECONDS
