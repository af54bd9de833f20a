"""A copy of something stored elsewhere, kept at hand by a process and renewed in the background."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

import structlog

from core.domain.errors import ThreadsMlError
from core.infrastructure.task_ending import end_task

RELOAD_TIMEOUT_SECONDS = 3.0

Copy = TypeVar("Copy")


class HeldCopy(Generic[Copy]):
    """While it cannot be renewed the last good copy is kept, and the log says so once an outage."""

    def __init__(
        self, read: Callable[[], Awaitable[Copy]], empty: Copy, every_seconds: float, event_when_away: str
    ) -> None:
        """empty: held before the first good reading; event_when_away: what the log calls an outage."""
        self._read = read
        self._copy = empty
        self._every_seconds = every_seconds
        self._event_when_away = event_when_away
        self._is_away = False
        self._reloading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.reload()
        self._reloading = asyncio.create_task(self._reload_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reloading is not None:
            await end_task(self._reloading)

    def current(self) -> Copy:
        """The last good copy, an empty one before the first."""
        return self._copy

    async def reload(self) -> None:
        """Look once, for a bounded time; the copy stays as it is where nobody answers."""
        try:
            async with asyncio.timeout(RELOAD_TIMEOUT_SECONDS):
                self._copy = await self._read()
        except (ThreadsMlError, TimeoutError) as error:
            self._note_outage(str(error) or "no answer in time")
        else:
            self._is_away = False

    def _note_outage(self, reason: str) -> None:
        if not self._is_away:
            structlog.get_logger().warning(self._event_when_away, error=reason)
        self._is_away = True

    async def _reload_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._every_seconds)
            try:
                await self.reload()
            except Exception:
                # A mistake of ours: it is logged each time, and must not make this reload the last.
                structlog.get_logger().exception("reload_failed", of=type(self).__name__)
