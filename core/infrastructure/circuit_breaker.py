"""A circuit breaker: a server that does not answer is left alone for a while, so that nobody waits for it in vain."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import StrEnum

import structlog

from core.infrastructure.task_ending import end_task

FAILURES_IN_A_ROW = 3
REST_SECONDS = 1.0


class CircuitState(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"


class CircuitBreaker:
    """Opens after a few failures in a row; after each rest one call goes through to see, and closes it if all is well.

    That call is the prober's where there is one; another goes through only if the prober lets a rest more pass. For one
    event loop; the states are told in the log, once each.
    """

    def __init__(
        self,
        server: str,
        failures_in_a_row: int = FAILURES_IN_A_ROW,
        rest_seconds: float = REST_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """server: its name in the log; now: seconds of a clock that never jumps."""
        self.server = server
        self._failures_in_a_row = failures_in_a_row
        self._rest_seconds = rest_seconds
        self._now = now
        self._failures = 0
        self._opened_at: float | None = None
        self._is_probing = False
        self._is_open = asyncio.Event()
        self._prober: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def probed(self, ask: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
        """Inside the block nobody else waits to see whether the server is back. ask: something cheap, by a call."""
        self._prober = asyncio.create_task(self._probe_for_ever(ask))
        try:
            yield
        finally:
            prober, self._prober = self._prober, None
            await end_task(prober)

    async def _probe_for_ever(self, ask: Callable[[], Awaitable[object]]) -> None:
        while True:
            await self._is_open.wait()
            await asyncio.sleep(self._rest_seconds)
            with suppress(Exception):  # the breaker has seen it
                await ask()

    @property
    def state(self) -> CircuitState:
        """Open also while one call sees whether the server is back."""
        return CircuitState.CLOSED if self._opened_at is None else CircuitState.OPEN

    def check(self, refusal: Exception) -> None:
        """Raise the refusal if a call would do so now."""
        if self._opened_at is not None and (self._is_probing or self._now() < self._opened_at + self._rest()):
            raise refusal

    def _rest(self) -> float:
        is_next = self._prober is None or asyncio.current_task() is self._prober
        return self._rest_seconds if is_next else 2 * self._rest_seconds

    @contextmanager
    def call(self, refusal: Exception, *failures: type[BaseException]) -> Iterator[None]:
        """Raise the refusal instead of entering while open; of what the block raises, only `failures` count as such.

        A call that is cancelled says nothing about the server.
        """
        is_probe = self._enter(refusal)
        try:
            yield
        except failures:
            self._failed()
            raise
        except Exception:
            self._answered()
            raise
        else:
            self._answered()
        finally:
            if is_probe:
                self._is_probing = False

    def _enter(self, refusal: Exception) -> bool:
        """Whether this call is the one that sees whether the server is back."""
        if self._opened_at is None:
            return False
        self.check(refusal)
        self._is_probing = True
        return True

    def _failed(self) -> None:
        self._failures += 1
        if self._opened_at is not None:
            self._opened_at = self._now()
        elif self._failures >= self._failures_in_a_row:
            self._opened_at = self._now()
            self._is_open.set()
            structlog.get_logger().warning("circuit_opened", server=self.server, failures=self._failures)

    def _answered(self) -> None:
        self._failures = 0
        if self._opened_at is not None:
            self._opened_at = None
            self._is_open.clear()
            structlog.get_logger().info("circuit_closed", server=self.server)
