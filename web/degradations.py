"""What the service does without at the moment."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from core.application.ports.feed_cache import FeedCache
from core.application.ports.job_queue import JobQueue
from core.application.ports.model_registry import ModelRegistry
from core.domain.errors import ConfigurationError, Unavailable
from core.domain.job import Queue

LOOK_SECONDS = 1.0
_NOBODY = UUID(int=0)
_UNSET = {
    "REDIS_URL": "redis: REDIS_URL is not set",
    "BROKER_URL": "queue: neither BROKER_URL nor REDIS_URL is set",
}


@dataclass(frozen=True, slots=True)
class FindDegradations:
    """Asks each server one cheap question, all at once; one that takes longer than a second is unreachable."""

    cache: FeedCache
    queue: JobQueue
    registry: ModelRegistry
    missing_settings: tuple[str, ...] = ()

    async def __call__(self) -> list[str]:
        """One line each, empty when all is well; the texts tell no addresses."""
        found = await asyncio.gather(self._cache(), self._workers(), self._model())
        unset = [_UNSET[name] for name in self.missing_settings]
        return unset + [line for line in found if line is not None]

    async def _cache(self) -> str | None:
        if "REDIS_URL" in self.missing_settings:
            return None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self.cache.is_cold(_NOBODY)
        except (Unavailable, TimeoutError):
            return "redis: unreachable"
        return None

    async def _workers(self) -> str | None:
        if "BROKER_URL" in self.missing_settings:
            return None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                alive = await self.queue.workers_alive(Queue.FEEDS)
        except (Unavailable, TimeoutError):
            return "queue: unreachable"
        return None if alive else "workers: none alive"

    async def _model(self) -> str | None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                serving = await self.registry.serving()
        except ConfigurationError as error:
            return f"model: {error}"
        except (Unavailable, TimeoutError):
            return "postgres: unreachable"
        return None if serving.model else "model: none yet"
