"""Do what is due by the clock, once for each tick, whatever happened meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from core.application.ports.clock import Clock
from core.application.ports.schedule_book import ScheduleBook
from core.application.ports.scheduled_work import ScheduledWork
from core.application.ports.ticks import Ticks
from core.domain.schedule import Task, TaskRecord


@dataclass(frozen=True, slots=True)
class Plan:
    """When a task is to be run; `cron` is how an operator has put it."""

    cron: str
    ticks: Ticks


def _say_nothing(task: Task, record: TaskRecord) -> None:
    """Who asks for nothing is told nothing."""


@dataclass(frozen=True, slots=True)
class RunDueTasks:
    """One task after the other; each attempt is in the book before it begins, so that no tick is taken up twice."""

    plans: Mapping[Task, Plan]
    book: ScheduleBook
    work: ScheduledWork
    clock: Clock
    on_change: Callable[[Task, TaskRecord], None] = _say_nothing

    async def __call__(self) -> datetime | None:
        """Run what is due, and give the moment at which something will be; None if never. Raises ArchiveUnavailable."""
        while True:
            records = await self._records()
            due = self._due(records)
            now = self.clock.now()
            waiting = [task for task in Task if task in due and due[task] <= now]
            if not waiting or not await self._run(waiting[0], records[waiting[0]]):
                return self._next(due, now)

    async def _records(self) -> dict[Task, TaskRecord]:
        """Those of all plans; one that is new, or that an operator has changed, begins with the next tick."""
        records = dict(await self.book.records())
        for task, plan in self.plans.items():
            seen = records.get(task)
            if seen is None or seen.cron != plan.cron:
                begins = TaskRecord(plan.cron, self.clock.now())
                record = begins if seen is None else _replanned(seen, begins)
                await self.book.write(task, record, seen)
                records[task] = record
        return records

    def _due(self, records: Mapping[Task, TaskRecord]) -> dict[Task, datetime]:
        now = self.clock.now()
        due = {task: records[task].due_at(plan.ticks.newest(now)) for task, plan in self.plans.items()}
        return {task: moment for task, moment in due.items() if moment is not None}

    async def _run(self, task: Task, seen: TaskRecord) -> bool:
        """False where another clock has begun with it."""
        now = self.clock.now()
        begun = seen.begun(self.plans[task].ticks.newest(now), now)
        if not await self.book.write(task, begun, seen):
            return False
        self.on_change(task, begun)
        ended = begun.ended(await self.work(task, begun.tick), self.clock.now())
        await self.book.write(task, ended, begun)
        self.on_change(task, ended)
        return True

    def _next(self, due: Mapping[Task, datetime], now: datetime) -> datetime | None:
        ticks = [plan.ticks.next(now) for plan in self.plans.values()]
        return min([moment for moment in (*due.values(), *ticks) if moment is not None], default=None)


def _replanned(seen: TaskRecord, begins: TaskRecord) -> TaskRecord:
    """How it last went is still known; ticks of the new plan that have passed are nothing that was missed."""
    return replace(seen, cron=begins.cron, tick=max(seen.tick, begins.tick), attempts=0)
