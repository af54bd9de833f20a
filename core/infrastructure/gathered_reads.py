"""Keys of Redis that many ask for at about the same time, read in one round trip."""

import asyncio
from itertools import chain, islice
from typing import TypeAlias

from core.domain.errors import Unavailable
from core.infrastructure.redis_client import RedisClient, translated

MOST_AT_ONCE = 256

_Answer: TypeAlias = "asyncio.Future[list[bytes | None]]"


class GatheredReads:
    """A GET costs a process more than all else about a cached answer; of an MGET many share the cost.

    One round trip is under way at a time: the more is asked meanwhile, the more share the next.
    """

    def __init__(self, client: RedisClient, unavailable: type[Unavailable]) -> None:
        self._client = client
        self._unavailable = unavailable
        self._asked: dict[tuple[str, ...], list[_Answer]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def get(self, key: str) -> bytes | None:
        """The key's value. Raises `unavailable`."""
        return (await self.ask(key))[0]

    def ask(self, *keys: str) -> _Answer:
        """The values of the keys, in their order; the awaited future raises `unavailable`."""
        loop = asyncio.get_running_loop()
        # One each: whoever gives up, or is cancelled, must not take the answer away from the others.
        answer: _Answer = loop.create_future()
        self._asked.setdefault(keys, []).append(answer)
        if self._reading is None:
            self._reading = loop.create_task(self._read_on())
        return answer

    async def _read_on(self) -> None:
        try:
            while self._asked:
                await self._read({keys: self._asked.pop(keys) for keys in list(islice(self._asked, MOST_AT_ONCE))})
        finally:
            self._reading = None

    async def _read(self, asked: dict[tuple[str, ...], list[_Answer]]) -> None:
        try:
            with translated(self._unavailable):
                values = await self._client.mget(list(chain.from_iterable(asked)))
        except Exception as error:  # whatever it is, those who wait must hear of it
            # Those too who came meanwhile: nobody waits for a second try when the first took its time.
            later, self._asked = self._asked, {}
            for answer in chain.from_iterable([*asked.values(), *later.values()]):
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # who has left in the meantime need not hear of it
        except asyncio.CancelledError:
            for answer in chain.from_iterable(asked.values()):
                answer.cancel()
            raise
        else:
            end = 0
            for keys, answers in asked.items():
                start, end = end, end + len(keys)
                found = values[start:end]
                for answer in answers:
                    if not answer.done():
                        answer.set_result(found)
