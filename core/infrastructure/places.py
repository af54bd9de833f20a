"""As many places at a server as there are connections to it."""

import asyncio


class Places:
    """Stand before a circuit breaker: to wait in vain for other callers says nothing about the server."""

    def __init__(self, count: int, wait_seconds: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._wait_seconds = wait_seconds

    async def take(self) -> None:
        """A place, in the order of asking, until `leave`. Raises TimeoutError when none gets free in time."""
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise TimeoutError("all connections are in use") from None

    def leave(self) -> None:
        """Make room for the next."""
        self._free.release()
