"""The models whose feeds are stale, as a process keeps them in mind."""

import asyncio
from types import TracebackType
from typing import Self

import structlog

from core.application.ports.model_registry import ModelRegistry
from core.domain.errors import ThreadsMlError
from core.infrastructure.task_ending import end_task

LOOK_TIMEOUT_SECONDS = 3.0


class HeldStaleModels:
    """Looks at the registry every few seconds, in the background; the log says once an outage that it cannot."""

    def __init__(self, registry: ModelRegistry, poll_seconds: float) -> None:
        self._registry = registry
        self._poll_seconds = poll_seconds
        self._versions: frozenset[str] = frozenset()
        self._is_away = False
        self._polling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.look()
        self._polling = asyncio.create_task(self._poll())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._polling is not None:
            await end_task(self._polling)

    def includes(self, model_version: str) -> bool:
        """Whether the registry named it when it last answered."""
        return model_version in self._versions

    async def look(self) -> None:
        """Ask once, for a bounded time; what is known stays while nobody answers."""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
                self._versions = await self._registry.stale_versions()
        except (ThreadsMlError, TimeoutError) as error:
            self._note_outage(str(error) or "no answer in time")
        else:
            self._is_away = False

    def _note_outage(self, reason: str) -> None:
        if not self._is_away:
            structlog.get_logger().warning("stale_models_not_read", error=reason)
        self._is_away = True

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.look()
            except Exception:
                # A mistake of ours: it is logged each time, and must not make this look the last.
                structlog.get_logger().exception("stale_models_look_failed")
