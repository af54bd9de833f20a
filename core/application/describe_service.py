"""Tell an operator how the service stands: data, model, feeds, queues."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.application.ports.clock import Clock
from core.application.ports.due_users import DueUsers
from core.application.ports.feed_archive import FeedArchive, FeedCounts
from core.application.ports.job_queue import JobQueue
from core.application.ports.model_registry import ModelRegistry
from core.application.ports.schedule_book import ScheduleBook
from core.application.ports.service_facts import InteractionFacts, ServiceFacts
from core.domain.errors import QueueUnavailable
from core.domain.job import Queue
from core.domain.levels import DueLevel
from core.domain.model import Serving
from core.domain.schedule import Task, TaskRecord


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """Messages not finished, and worker processes alive, by queue."""

    depths: Mapping[Queue, int]
    workers: Mapping[Queue, int]


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """What the clock has done, and whether one is at work."""

    records: Mapping[Task, TaskRecord]
    is_kept: bool


@dataclass(frozen=True, slots=True)
class ServiceDescription:
    """Everything is None that could not be asked, or (before the first migration) does not exist."""

    schema_revision: str | None
    interactions: InteractionFacts | None = None
    serving: Serving | None = None
    feeds: FeedCounts | None = None
    queues: QueueFacts | None = None
    schedule: ScheduleFacts | None = None
    due: DueLevel | None = None


@dataclass(frozen=True, slots=True)
class DescribeService:
    """Raises ArchiveUnavailable: without Postgres there is nothing to tell."""

    facts: ServiceFacts
    registry: ModelRegistry
    archive: FeedArchive
    queue: JobQueue
    clock: Clock
    schedule: ScheduleBook
    due_users: DueUsers

    async def __call__(self) -> ServiceDescription:
        """One look at everything."""
        revision = await self.facts.schema_revision()
        if revision is None:
            return ServiceDescription(None, queues=await self._queues())
        return ServiceDescription(
            schema_revision=revision,
            interactions=await self.facts.interactions(),
            serving=await self.registry.serving(),
            feeds=await self.archive.count(self.clock.now(), await self.registry.stale_versions()),
            queues=await self._queues(),
            schedule=ScheduleFacts(await self.schedule.records(), await self.schedule.is_kept()),
            due=await self.due_users.level(),
        )

    async def _queues(self) -> QueueFacts | None:
        try:
            workers = {queue: await self.queue.workers_alive(queue) for queue in Queue}
            return QueueFacts(await self.queue.depths(), workers)
        except QueueUnavailable:
            return None
