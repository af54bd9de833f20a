"""A client of Redis behind a circuit breaker."""

from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.infrastructure.circuit_breaker import CircuitBreaker
from core.infrastructure.places import Places

# What a server that is away or silent looks like; whatever else it answers, it answers.
_SILENCE = (RedisConnectionError, RedisTimeoutError, OSError)


class GuardedRedis(Redis):
    """Commands, scripts and pipelines go through the breaker; a subscription does not, which waits on purpose."""

    def __init__(self, pool: BlockingConnectionPool, breaker: CircuitBreaker) -> None:
        super().__init__(connection_pool=pool)
        # As `Redis.from_pool` has it: closing the client closes the connections.
        self.auto_close_connection_pool = True
        self._guard = _Guard(pool, breaker)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Raises ConnectionError without a try while the breaker is open, TimeoutError where no connection is free."""
        return await self._guard.run(super().execute_command, *args, **options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "_GuardedPipeline":
        """One whose commands go through the breaker together."""
        pipeline = _GuardedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.guard = self._guard
        return pipeline


class _GuardedPipeline(Pipeline):
    """Made by the client above."""

    guard: "_Guard"

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Raises what a command does."""
        answers: list[Any] = await self.guard.run(super().execute, raise_on_error)
        return answers


class _Guard:
    """Calls beyond the number of connections wait before the breaker, not behind it."""

    def __init__(self, pool: BlockingConnectionPool, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        # One is the subscription's.
        self._places = Places(max(1, pool.max_connections - 1), pool.timeout or 0.0)

    async def run(self, call: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        refusal = _refusal()
        self._breaker.check(refusal)
        await self._places.take()
        try:
            with self._breaker.call(refusal, *_SILENCE):
                return await call(*args, **options)
        finally:
            self._places.leave()


def _refusal() -> RedisConnectionError:
    return RedisConnectionError("it is left alone for a moment, as it did not answer the last calls")
