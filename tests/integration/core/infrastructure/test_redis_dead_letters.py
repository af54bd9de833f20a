"""Dead letters, fake and real."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
import redis

from core.application.ports.dead_letters import DeadLetter, DeadLetters
from core.domain.errors import QueueUnavailable
from core.domain.job import Queue
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_dead_letters import RedisDeadLetters
from tests.fakes.dead_letters import FakeDeadLetters

LATE, EARLY = (datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (12, 11))
ONE = DeadLetter("one", Queue.FEEDS, EARLY, "RuntimeError()", UUID(int=1), "req-1", attempts=4)
BULK = DeadLetter("bulk", Queue.FEEDS_BULK, LATE, "", UUID(int=2), "req-2", attempts=1)
BROKEN = DeadLetter("broken", Queue.FEEDS, EARLY, "cannot be read", None, None, attempts=1)


@pytest.fixture(params=["fake", "redis"])
async def letters(request: pytest.FixtureRequest, broker_url: str) -> AsyncIterator[DeadLetters]:
    if request.param == "fake":
        yield FakeDeadLetters([ONE, BULK, BROKEN])
        return
    for letter in (ONE, BULK, BROKEN):
        lay(broker_url, letter)
    async with open_redis(broker_url) as client:
        yield RedisDeadLetters(client)


def lay(url: str, letter: DeadLetter) -> None:
    """As a worker does."""
    message = {
        "kwargs": {"user_id": str(letter.user_id), "request_id": letter.request_id},
        "options": {"redis_message_id": letter.id, "retries": letter.attempts - 1},
    }
    dead = f"dramatiq:{letter.queue.value}.XQ"
    with redis.Redis.from_url(url) as client:
        client.zadd(dead, {letter.id: letter.died_at.timestamp() * 1000})
        client.hset(f"{dead}.msgs", letter.id, msgspec.json.encode(message) if letter.user_id else b"no json")
        if letter.error:
            client.hset(f"{dead}.errors", letter.id, letter.error)


async def test_they_come_with_all_that_is_known_the_latest_first(letters: DeadLetters) -> None:
    found = await letters.all()

    assert found[0] == BULK
    assert sorted(found[1:], key=lambda letter: letter.id) == [BROKEN, ONE]


async def test_what_is_retried_is_no_dead_letter_any_more_but_what_is_no_message_stays(letters: DeadLetters) -> None:
    assert await letters.retry(["one", "bulk", "broken", "nothing"]) == 2
    assert await letters.retry(["one"]) == 0

    assert list(await letters.all()) == [BROKEN]


async def test_what_is_dropped_is_gone(letters: DeadLetters) -> None:
    assert await letters.drop(["one", "broken", "nothing"]) == 2

    assert list(await letters.all()) == [BULK]


async def test_a_server_that_is_away_is_told_as_such() -> None:
    async with open_redis("redis://127.0.0.1:1/0") as client:
        for ask in (
            RedisDeadLetters(client).all(),
            RedisDeadLetters(client).retry(["a"]),
            RedisDeadLetters(client).drop(["a"]),
        ):
            with pytest.raises(QueueUnavailable):
                await ask
