"""Let people go first: wait a little before bulk work while somebody waits for a feed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from core.application.ports.queue_levels import QueueLevels
from core.domain.errors import QueueUnavailable
from core.domain.giving_way import next_pause
from core.domain.job import Queue


@dataclass(slots=True)
class GiveWay:
    """One a process: its chunks share the pause."""

    levels: QueueLevels
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    pause_seconds: float = 0.0

    async def __call__(self) -> None:
        """Look at what people wait for now, and wait accordingly; who cannot look does not wait."""
        try:
            interactive = (await self.levels.read())[Queue.FEEDS]
        except QueueUnavailable:
            return
        self.pause_seconds = next_pause(self.pause_seconds, interactive)
        if self.pause_seconds:
            await self.sleep(self.pause_seconds)
