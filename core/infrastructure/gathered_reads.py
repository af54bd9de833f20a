"""Keys of Redis that many ask for in one turn of the event loop, read in one round trip."""

import asyncio

from core.infrastructure.redis_client import RedisClient

MOST_AT_ONCE = 256


class GatheredReads:
    """A GET costs a process more than all else about a cached answer; of an MGET many share the cost."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._asked: dict[str, asyncio.Future[bytes | None]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> bytes | None:
        """The key's value. Raises what the client raises."""
        answer = self._asked.get(key)
        if answer is None:
            answer = self._asked[key] = asyncio.get_running_loop().create_future()
            if len(self._asked) == 1:
                asyncio.get_running_loop().call_soon(self._read_asked)
            elif len(self._asked) >= MOST_AT_ONCE:
                self._read_asked()
        # Whoever gives up, or is cancelled, must not take the answer away from the others.
        return await asyncio.shield(answer)

    def _read_asked(self) -> None:
        asked, self._asked = self._asked, {}
        if asked:
            task = asyncio.ensure_future(self._read(asked))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _read(self, asked: dict[str, "asyncio.Future[bytes | None]"]) -> None:
        try:
            values = await self._client.mget(asked)
        except Exception as error:  # whatever it is, those who wait must hear of it
            for answer in asked.values():
                _fail(answer, error)
        else:
            for answer, value in zip(asked.values(), values, strict=True):
                if not answer.done():
                    answer.set_result(value)
        finally:
            for answer in asked.values():
                answer.cancel()


def _fail(answer: "asyncio.Future[bytes | None]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        # Nobody may be left to hear of it.
        answer.exception()
