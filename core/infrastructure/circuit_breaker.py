"""A circuit breaker: a server that does not answer is left alone for a while, so that nobody waits for it in vain."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import structlog

FAILURES_IN_A_ROW = 3
REST_SECONDS = 1.0


class CircuitState(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"


class CircuitBreaker:
    """Opens after a few failures in a row; after each rest one call goes through to see, and closes it if all is well.

    For one event loop; the states are told in the log, once each.
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

    @property
    def state(self) -> CircuitState:
        """Open also while one call sees whether the server is back."""
        return CircuitState.CLOSED if self._opened_at is None else CircuitState.OPEN

    def check(self, refusal: Exception) -> None:
        """Raise the refusal if a call would do so now."""
        if self._opened_at is not None and (self._is_probing or self._now() < self._opened_at + self._rest_seconds):
            raise refusal

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
            structlog.get_logger().warning("circuit_opened", server=self.server, failures=self._failures)

    def _answered(self) -> None:
        self._failures = 0
        if self._opened_at is not None:
            self._opened_at = None
            structlog.get_logger().info("circuit_closed", server=self.server)
