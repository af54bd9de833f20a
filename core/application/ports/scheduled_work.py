"""How the clock gets its tasks done."""

from typing import Protocol

from core.domain.schedule import Task, TaskEnd


class ScheduledWork(Protocol):
    """Runs a task to its end, good or bad, and raises for neither; cancelled, it leaves nothing running."""

    async def __call__(self, task: Task) -> TaskEnd: ...
