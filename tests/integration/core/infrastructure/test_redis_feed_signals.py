"""Signals reach whoever listens, in the fake and through Redis, whatever happens to the link."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_signals import RedisFeedSignals
from tests.fakes.feed_signals import FakeFeedSignals

AT_ONCE, LONG = 0.05, 10.0


@pytest.fixture(params=["fake", "redis"])
async def signals(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Any]:
    if request.param == "fake":
        yield FakeFeedSignals()
        return
    async with open_redis(redis_url) as client, RedisFeedSignals(client) as opened:
        yield opened


async def cut_the_link(client: Any) -> None:
    assert await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") >= 1


async def test_a_listener_hears_its_user(signals: Any) -> None:
    user_id = uuid4()
    async with signals.listen(user_id) as listening:
        await signals.send(user_id)

        assert await listening.heard(LONG)


async def test_a_listener_does_not_hear_other_users(signals: Any) -> None:
    async with signals.listen(uuid4()) as listening:
        await signals.send(uuid4())

        assert not await listening.heard(AT_ONCE)


async def test_all_who_listen_for_a_user_hear_one_signal(signals: Any) -> None:
    user_id = uuid4()
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(signals.listen(user_id)) for _ in range(5)]
        await signals.send(user_id)

        assert await asyncio.gather(*(ear.heard(LONG) for ear in ears)) == [True] * 5


async def test_one_signal_is_heard_once(signals: Any) -> None:
    user_id = uuid4()
    async with signals.listen(user_id) as listening:
        await signals.send(user_id)

        first, second = await listening.heard(LONG), await listening.heard(AT_ONCE)

    assert (first, second) == (True, False)


async def test_waiting_no_time_at_all_hears_nothing(signals: Any) -> None:
    async with signals.listen(uuid4()) as listening:
        assert not await listening.heard(0)
        assert not await listening.heard(-1)


async def test_when_the_process_stops_nobody_waits_any_longer(signals: Any) -> None:
    async with signals.listen(uuid4()) as listening, asyncio.timeout(LONG):
        waiting = asyncio.create_task(listening.heard(10 * LONG))
        await asyncio.sleep(0)

        signals.wake_all()

        assert not await waiting
        assert not await listening.heard(10 * LONG)
        async with signals.listen(uuid4()) as late:
            assert not await late.heard(10 * LONG)


async def test_closing_ends_all_waiting(client: Any) -> None:
    async with RedisFeedSignals(client) as signals, asyncio.timeout(LONG):
        listening = signals.listen(uuid4())
        ear = await listening.__aenter__()
        waiting = asyncio.create_task(ear.heard(10 * LONG))
        await asyncio.sleep(0)

    assert not await waiting
    await listening.__aexit__(None, None, None)


async def test_nothing_is_kept_of_those_who_have_left(client: Any) -> None:
    async with RedisFeedSignals(client) as signals:
        for _ in range(100):
            async with signals.listen(uuid4()):
                pass

        assert signals._ears == {}


async def test_a_dropped_link_is_replaced_and_everybody_looks_again(client: Any) -> None:
    async with RedisFeedSignals(client) as signals, signals.listen(user_id := uuid4()) as listening:
        await cut_the_link(client)

        assert await listening.heard(LONG)
        await signals.send(user_id)
        assert await listening.heard(LONG)


async def test_a_process_starts_while_redis_is_away() -> None:
    async with (
        asyncio.timeout(LONG),
        open_redis("redis://127.0.0.1:1/0") as absent,
        RedisFeedSignals(absent) as signals,
        signals.listen(uuid4()) as listening,
    ):
        assert not await listening.heard(AT_ONCE)
        await signals.send(uuid4())


async def test_what_another_process_sends_is_heard(client: Any) -> None:
    only_to_send = RedisFeedSignals(client)
    async with RedisFeedSignals(client) as signals, signals.listen(user_id := uuid4()) as listening:
        await only_to_send.send(user_id)

        assert await listening.heard(LONG)


async def test_one_connection_serves_a_process_however_many_listen(client: Any) -> None:
    async with RedisFeedSignals(client) as signals, AsyncExitStack() as stack:
        for _ in range(50):
            await stack.enter_async_context(signals.listen(uuid4()))

        assert len(await client.client_list(_type="pubsub")) == 1


async def test_a_link_that_died_in_silence_is_noticed(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.infrastructure.redis_feed_signals.SILENCE_SECONDS", 0.05)
    async with open_redis(redis_url) as client, RedisFeedSignals(client) as signals, signals.listen(uuid4()) as ear:
        await client.execute_command("CLIENT", "PAUSE", 300, "ALL")

        assert await ear.heard(LONG)
