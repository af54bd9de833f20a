"""Measure how the service stands, for dashboards, alerts and `status --check`."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from core.application.ports.clock import Clock
from core.application.ports.due_users import DueUsers
from core.application.ports.model_registry import ModelRegistry
from core.application.ports.popular_posts import PopularPosts
from core.application.ports.queue_levels import QueueLevels
from core.application.ports.stored_feeds import StoredFeeds
from core.domain.errors import ConfigurationError, Unavailable
from core.domain.job import Queue
from core.domain.levels import DueLevel, FeedStock, QueueLevel, Serves, ServiceLevels

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class MeasureService:
    """What cannot be asked is left out: a figure of before would hide that it is unknown."""

    queue_levels: QueueLevels
    registry: ModelRegistry
    popular: PopularPosts
    stored_feeds: StoredFeeds
    clock: Clock
    due_users: DueUsers

    async def __call__(self) -> ServiceLevels:
        """One look at everything."""
        return ServiceLevels(await self.queues(), await self.serves(), await self.feeds(), await self.due())

    async def queues(self) -> Mapping[Queue, QueueLevel] | None:
        """A millisecond of Redis."""
        return await _if_there(self.queue_levels.read())

    async def serves(self) -> Serves | None:
        """Two rows of Postgres."""
        return await _if_there(self._serves())

    async def feeds(self) -> FeedStock | None:
        """A part of a second of Postgres, where there are many feeds."""
        return await _if_there(self._feeds())

    async def due(self) -> DueLevel | None:
        """An index's worth of Postgres, as large as there are due users."""
        return await _if_there(self.due_users.level())

    async def _serves(self) -> Serves:
        return Serves(await self.registry.serving(), (await self.popular.read()).computed_at)

    async def _feeds(self) -> FeedStock:
        return await self.stored_feeds.take_stock(self.clock.now(), await self.registry.stale_versions())


async def _if_there(asked: Awaitable[Part]) -> Part | None:
    try:
        return await asked
    except (Unavailable, ConfigurationError):  # the latter: a pin of a model that there is not
        return None
