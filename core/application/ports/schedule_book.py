"""What the clock remembers of each task."""

from collections.abc import Mapping
from typing import Protocol

from core.domain.schedule import Task, TaskRecord


class ScheduleBook(Protocol):
    """Outlives every clock, and of two that write at once believes the first. Raises ArchiveUnavailable."""

    async def records(self) -> Mapping[Task, TaskRecord]:
        """Those of the tasks that a clock has seen."""
        ...

    async def write(self, task: Task, record: TaskRecord, seen: TaskRecord | None) -> bool:
        """Write the record in the place of the one that was seen there; False if that is not there any more."""
        ...

    async def is_kept(self) -> bool:
        """Whether a clock is at work at the moment."""
        ...
