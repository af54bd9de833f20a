"""Who gets a place at a server, and who does not."""

import asyncio

import pytest

from core.infrastructure.places import Places


async def test_who_leaves_makes_room_for_who_waits() -> None:
    places = Places(1, wait_seconds=60)
    await places.take()
    waiting = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    is_let_in_early = waiting.done()

    places.leave()
    await waiting

    assert not is_let_in_early


async def test_who_finds_none_in_time_is_told_so() -> None:
    places = Places(1, wait_seconds=0.01)
    await places.take()

    with pytest.raises(TimeoutError, match="all connections are in use"):
        await places.take()

    places.leave()
    await places.take()


async def test_who_is_cut_off_while_waiting_takes_no_place() -> None:
    places = Places(1, wait_seconds=60)
    await places.take()
    waiting = asyncio.create_task(places.take())
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait([waiting])

    places.leave()
    async with asyncio.timeout(5):
        await places.take()
