"""How the clock gets its tasks done."""

from datetime import datetime
from typing import Protocol

from core.domain.schedule import Task, TaskEnd


class ScheduledWork(Protocol):
    """Runs a task to its end, good or bad, and raises for neither; cancelled, it leaves nothing running."""

    async def __call__(self, task: Task, tick: datetime) -> TaskEnd:
        """Attempts at the same tick are for the same thing: what one of them has begun another may go on with."""
        ...
