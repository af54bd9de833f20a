"""Reads of the same thing at the same time."""

import asyncio

import pytest

from core.infrastructure.shared_reads import SharedReads


class Source:
    """Counts its reads, which end when the gate opens."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.gate = asyncio.Event()
        self.failure: Exception | None = None

    async def read(self, key: str) -> str:
        self.keys.append(key)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return key.upper()


async def asked_together(reads: SharedReads[str, str], *keys: str) -> list[asyncio.Task[str]]:
    asking = [asyncio.create_task(reads.get(key)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return asking


async def test_who_asks_at_the_same_time_shares_one_read() -> None:
    source = Source()
    asking = await asked_together(SharedReads(source.read), "a", "b", "a", "a")

    source.gate.set()

    assert await asyncio.gather(*asking) == ["A", "B", "A", "A"]
    assert source.keys == ["a", "b"]


async def test_who_asks_afterwards_gets_a_read_of_his_own() -> None:
    source = Source()
    source.gate.set()
    reads = SharedReads(source.read)

    assert [await reads.get("a"), await reads.get("a")] == ["A", "A"]

    assert source.keys == ["a", "a"]


async def test_all_hear_of_a_failure_and_the_next_read_is_free_of_it() -> None:
    source = Source()
    source.failure = ValueError("no")
    reads = SharedReads(source.read)
    asking = await asked_together(reads, "a", "a")

    source.gate.set()

    assert [str(failure) for failure in await asyncio.gather(*asking, return_exceptions=True)] == ["no", "no"]
    source.failure = None
    assert await reads.get("a") == "A"


async def test_who_gives_up_leaves_the_others_their_answer() -> None:
    source = Source()
    first, second = await asked_together(SharedReads(source.read), "a", "a")

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.gate.set()

    assert await second == "A"


async def test_a_failure_that_nobody_waits_for_any_more_disturbs_nobody() -> None:
    source = Source()
    source.failure = ValueError("no")
    reads = SharedReads(source.read)
    (asking,) = await asked_together(reads, "a")
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    source.gate.set()
    source.failure = None

    assert await reads.get("b") == "B"
