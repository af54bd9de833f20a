"""Tasks that end as a test wants them to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from core.domain.schedule import Task, TaskEnd


def _nothing() -> None:
    """A task that takes no time."""


@dataclass
class FakeScheduledWork:
    """`ran` are the tasks in the order they began, `ticks` theirs; `ends`: how each ends, good if it is not named.

    meanwhile: what happens while a task runs; endless: tasks that never end by themselves, `begun` once one has begun.
    """

    ends: dict[Task, TaskEnd] = field(default_factory=dict)
    meanwhile: Callable[[], None] = _nothing
    endless: bool = False
    ran: list[Task] = field(default_factory=list)
    ticks: list[datetime] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, task: Task, tick: datetime) -> TaskEnd:
        self.ran.append(task)
        self.ticks.append(tick)
        self.begun.set()
        if self.endless:
            await asyncio.Event().wait()
        self.meanwhile()
        return self.ends.get(task, TaskEnd(is_good=True, says="done"))
