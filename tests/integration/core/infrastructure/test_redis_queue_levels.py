"""The levels that are read are those of the queue that is written, and of what Dramatiq makes of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from core.domain.errors import QueueUnavailable
from core.domain.job import GenerateMessage, Queue
from core.domain.levels import QueueLevel
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_job_queue import RedisJobQueue
from core.infrastructure.redis_queue_levels import RedisQueueLevels
from core.infrastructure.redis_worker_presence import RedisWorkerPresence
from tests.integration.worker.test_broker import QUEUE, Stand


@pytest.fixture
async def client(broker_url: str) -> AsyncIterator[Any]:
    async with open_redis(broker_url, timeout_seconds=5) as opened:
        yield opened


async def test_empty_queues_have_nothing_and_nobody(client: Any) -> None:
    assert await RedisQueueLevels(client).read() == dict.fromkeys(Queue, QueueLevel())


async def test_messages_that_wait_are_counted_and_the_oldest_has_an_age(client: Any) -> None:
    queue = RedisJobQueue(client)
    for _ in range(2):
        await queue.submit(GenerateMessage(uuid4(), "request"))
    await queue.submit_bulk([GenerateMessage(uuid4(), "bulk")])

    levels = await RedisQueueLevels(client).read()

    ages = [levels[name].oldest_waiting_seconds for name in Queue]
    assert [levels[name].waiting for name in Queue] == [2, 1]
    assert all(age is not None and 0 <= age < 60 for age in ages)


async def test_what_is_in_hand_delayed_and_dead_is_told_apart(client: Any, broker_url: str) -> None:
    stand = Stand(broker_url, is_ours=True)
    broker = stand.broker()
    for number in range(4):
        broker.generate_feed.send(user_id=str(number))
    broker.generate_feed.send_with_options(kwargs={"user_id": "later"}, delay=600_000)

    (_, _), (last_id, _) = await asyncio.to_thread(broker.fetch, QUEUE, 2)
    await asyncio.to_thread(broker.nack, QUEUE, last_id, "no luck")
    level = (await RedisQueueLevels(client).read())[Queue.FEEDS]

    assert (level.waiting, level.running, level.delayed, level.dead_letters) == (2, 1, 1, 1)


async def test_workers_alive_are_counted(client: Any) -> None:
    for name in ("one", "two"):
        await RedisWorkerPresence(client, name).beat(Queue.FEEDS)

    levels = await RedisQueueLevels(client).read()

    assert [levels[queue].workers_alive for queue in Queue] == [2, 0]


async def test_a_message_that_cannot_be_read_has_no_age(client: Any) -> None:
    await client.rpush("dramatiq:feeds", "broken")
    await client.hset("dramatiq:feeds.msgs", "broken", b"no json")

    level = (await RedisQueueLevels(client).read())[Queue.FEEDS]

    assert (level.waiting, level.oldest_waiting_seconds) == (1, None)


async def test_a_server_that_is_away_is_told() -> None:
    async with open_redis("redis://127.0.0.1:1/0") as client:
        with pytest.raises(QueueUnavailable):
            await RedisQueueLevels(client).read()
