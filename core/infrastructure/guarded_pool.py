"""A pool of connections to Postgres behind a circuit breaker, for callers who would rather do without than wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from core.infrastructure.circuit_breaker import CircuitBreaker
from core.infrastructure.places import Places

# Refused, reset, cut, every time-out, and a server that is starting or stopping.
_SILENCE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)


class GuardedPool:
    """Stands where a pool does in `borrowed`; what is done with a connection has `at_most_seconds`.

    Where all connections are in use, a place is waited for as long again, which says nothing about the server.
    For single statements: a transaction would wait once more for a silent server, to be rolled back.
    """

    def __init__(self, pool: Any, breaker: CircuitBreaker, at_most_seconds: float) -> None:
        self._pool = pool
        self._breaker = breaker
        self._at_most_seconds = at_most_seconds
        self._places = Places(pool.get_max_size(), at_most_seconds)

    async def ping(self) -> None:
        """The cheapest question."""
        async with self.acquire(self._at_most_seconds) as connection:
            await connection.execute("select 1")

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator[Any]:  # noqa: ARG002, ASYNC109 - as a pool's
        """A connection; ConnectionError without a try while the breaker is open, TimeoutError when the time is over."""
        refusal = _refusal()
        self._breaker.check(refusal)
        await self._places.take()
        try:
            with self._breaker.call(refusal, *_SILENCE):
                async with self._connection() as connection:
                    yield connection
        finally:
            self._places.leave()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        async with asyncio.timeout(self._at_most_seconds) as limit:
            connection = await self._pool.acquire()
            try:
                yield connection
            except asyncio.CancelledError:
                if limit.expired():
                    # A silent server would not answer the wish to cancel either, and the pool waits for that.
                    connection.terminate()
                raise
            finally:
                await self._pool.release(connection, timeout=self._at_most_seconds)


def _refusal() -> ConnectionError:
    return ConnectionError("it is left alone for a moment, as it did not answer the last calls")
