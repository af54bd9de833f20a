"""A client of Redis behind a circuit breaker."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.infrastructure.circuit_breaker import CircuitBreaker

# What a server that is away or silent looks like; whatever else it answers, it answers.
_SILENCE = (RedisConnectionError, RedisTimeoutError, OSError)


class GuardedRedis(Redis):
    """Commands, scripts and pipelines go through the breaker; a subscription does not, which waits on purpose."""

    def __init__(self, pool: ConnectionPool, breaker: CircuitBreaker) -> None:
        super().__init__(connection_pool=pool)
        # As `Redis.from_pool` has it: closing the client closes the connections.
        self.auto_close_connection_pool = True
        self._breaker = breaker

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Raises ConnectionError without a try while the breaker is open."""
        with self._breaker.call(_refusal(), *_SILENCE):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's own

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "_GuardedPipeline":
        """One whose commands go through the breaker together."""
        pipeline = _GuardedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.breaker = self._breaker
        return pipeline


class _GuardedPipeline(Pipeline):
    """Made by the client above."""

    breaker: CircuitBreaker

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Raises ConnectionError without a try while the breaker is open."""
        with self.breaker.call(_refusal(), *_SILENCE):
            return await super().execute(raise_on_error)


def _refusal() -> RedisConnectionError:
    return RedisConnectionError("it is left alone for a moment, as it did not answer the last calls")
