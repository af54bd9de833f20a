"""The popular feed that a process keeps at hand."""

import asyncio
from types import TracebackType
from typing import Self

import structlog

from core.application.ports.popular_posts import PopularPosts
from core.domain.errors import ArchiveUnavailable
from core.domain.popular import PopularFeed
from core.infrastructure.task_ending import end_task

RELOAD_SECONDS = 30.0
RELOAD_TIMEOUT_SECONDS = 3.0


class HeldPopular:
    """Reloaded in the background; while that fails the last good one is kept, and the log says so once an outage."""

    def __init__(self, stored: PopularPosts, reload_seconds: float = RELOAD_SECONDS) -> None:
        self._stored = stored
        self._reload_seconds = reload_seconds
        self._feed = PopularFeed()
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

    def current(self) -> PopularFeed:
        """The last good copy, an empty one before the first."""
        return self._feed

    async def reload(self) -> None:
        """Look once, for a bounded time; the copy stays as it is when Postgres is away."""
        try:
            async with asyncio.timeout(RELOAD_TIMEOUT_SECONDS):
                self._feed = await self._stored.read()
        except (ArchiveUnavailable, TimeoutError) as error:
            self._note_outage(str(error) or "no answer in time")
        else:
            self._is_away = False

    def _note_outage(self, reason: str) -> None:
        if not self._is_away:
            structlog.get_logger().warning("popular_feed_not_reloaded", error=reason)
        self._is_away = True

    async def _reload_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._reload_seconds)
            try:
                await self.reload()
            except Exception:
                # A mistake of ours: it is logged each time, and must not make this reload the last.
                structlog.get_logger().exception("popular_feed_reload_failed")
