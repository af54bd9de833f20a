"""Keys that many ask for at once."""

import asyncio
from collections.abc import Iterable

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from core.domain.errors import CacheUnavailable
from core.infrastructure.gathered_reads import MOST_AT_ONCE, GatheredReads


class CountedRedis:
    """Answers MGET with each key in capitals, and none for those that begin with a minus sign."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_away = False

    async def mget(self, keys: Iterable[str]) -> list[bytes | None]:
        self.rounds.append(list(keys))
        await self.gate.wait()
        if self.is_away:
            raise RedisConnectionError("away")
        return [None if key.startswith("-") else key.upper().encode() for key in self.rounds[-1]]


async def test_who_asks_in_the_same_turn_shares_a_round_trip() -> None:
    redis = CountedRedis()
    reads = GatheredReads(redis, CacheUnavailable)

    answers = await asyncio.gather(*[reads.get(key) for key in ("a", "b", "a", "-c")])

    assert answers == [b"A", b"B", b"A", None]
    assert redis.rounds == [["a", "b", "-c"]]


async def test_who_asks_later_gets_a_round_of_his_own() -> None:
    redis = CountedRedis()
    reads = GatheredReads(redis, CacheUnavailable)

    assert [await reads.get("a"), await reads.get("a")] == [b"A", b"A"]

    assert redis.rounds == [["a"], ["a"]]


async def test_a_round_has_no_more_than_so_many_keys() -> None:
    redis = CountedRedis()
    reads = GatheredReads(redis, CacheUnavailable)

    answers = await asyncio.gather(*[reads.get(f"{number}") for number in range(MOST_AT_ONCE + 5)])

    assert answers == [f"{number}".encode() for number in range(MOST_AT_ONCE + 5)]
    assert [len(keys) for keys in redis.rounds] == [MOST_AT_ONCE, 5]


async def test_all_who_asked_hear_of_a_failure_and_the_next_round_is_free_of_it() -> None:
    redis = CountedRedis()
    reads = GatheredReads(redis, CacheUnavailable)
    redis.is_away = True

    failures = await asyncio.gather(reads.get("a"), reads.get("b"), return_exceptions=True)

    assert [type(failure) for failure in failures] == [CacheUnavailable] * 2
    redis.is_away = False
    assert await reads.get("a") == b"A"


async def test_who_asks_while_a_read_fails_does_not_wait_for_another() -> None:
    redis = CountedRedis()
    reads = GatheredReads(redis, CacheUnavailable)
    redis.gate.clear()
    redis.is_away = True
    first = asyncio.ensure_future(reads.get("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    second = reads.ask("b")
    redis.gate.set()

    assert [type(one) for one in await asyncio.gather(first, second, return_exceptions=True)] == [CacheUnavailable] * 2
    assert redis.rounds == [["a"]]


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    redis = CountedRedis()
    reads = GatheredReads(redis, CacheUnavailable)
    redis.gate.clear()
    impatient, patient = asyncio.ensure_future(reads.get("a")), asyncio.ensure_future(reads.get("a"))
    await asyncio.sleep(0)

    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    redis.gate.set()

    assert await patient == b"A"


async def test_a_failure_that_nobody_waits_for_any_more_disturbs_nobody() -> None:
    redis = CountedRedis()
    reads = GatheredReads(redis, CacheUnavailable)
    redis.gate.clear()
    redis.is_away = True
    asked = asyncio.ensure_future(reads.get("a"))
    await asyncio.sleep(0)

    asked.cancel()
    redis.gate.set()
    await asyncio.gather(asked, return_exceptions=True)
    redis.is_away = False

    assert await reads.get("b") == b"B"


async def test_who_asks_for_several_keys_gets_their_values_in_one_round_trip_with_those_of_others() -> None:
    redis = CountedRedis()
    reads = GatheredReads(redis, CacheUnavailable)

    first, second = reads.ask("a", "-b"), reads.ask("-c", "d")

    assert (await first, await second) == ([b"A", None], [None, b"D"])
    assert redis.rounds == [["a", "-b", "-c", "d"]]
