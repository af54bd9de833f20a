"""Levels that are set by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.domain.errors import QueueUnavailable
from core.domain.job import Queue
from core.domain.levels import QueueLevel


@dataclass
class FakeQueueLevels:
    """One worker process a queue, and nothing to do."""

    levels: dict[Queue, QueueLevel] = field(default_factory=lambda: dict.fromkeys(Queue, QueueLevel(workers_alive=1)))
    unavailable: bool = False

    async def read(self) -> Mapping[Queue, QueueLevel]:
        if self.unavailable:
            raise QueueUnavailable("Redis does not answer: it is a fake")
        return self.levels
