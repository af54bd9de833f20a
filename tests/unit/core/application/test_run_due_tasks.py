"""What a clock does, over the lives of many."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from core.application.run_due_tasks import Plan, RunDueTasks
from core.domain.errors import ArchiveUnavailable
from core.domain.schedule import FIRST_PAUSE, Task, TaskEnd, TaskRecord
from tests.builders import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.schedule_book import FakeScheduleBook
from tests.fakes.scheduled_work import FakeScheduledWork
from tests.fakes.ticks import FakeTicks

HOUR = timedelta(hours=1)
BROKEN = TaskEnd(is_good=False, says="exit code 1: no")


@dataclass
class RacedBook(FakeScheduleBook):
    """Another clock begins between the look and the writing."""

    is_raced: bool = False

    async def write(self, task: Task, record: TaskRecord, seen: TaskRecord | None) -> bool:
        if self.is_raced:
            self.pages[task] = record
        return await super().write(task, record, seen)


@dataclass
class Days:
    """A clock whose book and moment outlive it; each plan's ticks are hours after noon."""

    hours: dict[Task, list[int]]
    cron: str = "any"
    clock: FakeClock = field(default_factory=FakeClock)
    book: FakeScheduleBook = field(default_factory=FakeScheduleBook)
    work: FakeScheduledWork = field(default_factory=FakeScheduledWork)
    told: list[str] = field(default_factory=list)

    async def run(self, at_hour: float = 0.0) -> datetime | None:
        """A look of a clock that has just started, at so many hours after noon."""
        self.clock.moment = NOON + at_hour * HOUR
        plans = {
            task: Plan(self.cron, FakeTicks([NOON + hour * HOUR for hour in at])) for task, at in self.hours.items()
        }
        run_due_tasks = RunDueTasks(
            plans, self.book, self.work, self.clock, lambda task, record: self.told.append(f"{task} {record.outcome}")
        )
        return await run_due_tasks()


async def test_what_was_due_before_the_first_clock_is_not_made_up_for() -> None:
    days = Days({Task.TRAIN: [-1, 0, 15]})

    next_at = await days.run()

    assert days.work.ran == []
    assert next_at == NOON + 15 * HOUR


async def test_a_task_is_run_at_its_tick_and_told_of() -> None:
    days = Days({Task.TRAIN: [15, 39]})
    await days.run(0)

    next_at = await days.run(15)

    assert days.work.ran == [Task.TRAIN]
    assert days.told == ["train not ended", "train done"]
    assert next_at == NOON + 39 * HOUR


async def test_a_clock_that_was_down_over_ticks_catches_up_once_and_never_twice() -> None:
    days = Days({Task.TRAIN: [1, 2, 3]})
    await days.run(0)

    for hour in (3.5, 3.5, 4):
        await days.run(hour)

    assert days.work.ran == [Task.TRAIN]


async def test_of_tasks_due_at_once_training_comes_first_and_feeds_are_asked_for_next() -> None:
    days = Days({Task.PURGE: [1], Task.ENQUEUE: [1], Task.TRAIN: [1]})
    await days.run(0)

    await days.run(1)

    assert days.work.ran == [Task.TRAIN, Task.ENQUEUE, Task.PURGE]


async def test_what_becomes_due_while_a_task_runs_comes_after_it() -> None:
    days = Days({Task.TRAIN: [1], Task.ENQUEUE: [2]})
    days.work.meanwhile = lambda: days.clock.advance(5400)
    await days.run(0)

    await days.run(1)

    assert days.work.ran == [Task.TRAIN, Task.ENQUEUE]


async def test_a_task_that_fails_does_not_keep_the_others_and_is_tried_again_after_a_pause() -> None:
    days = Days({Task.TRAIN: [1], Task.ENQUEUE: [1]}, work=FakeScheduledWork(ends={Task.TRAIN: BROKEN}))
    await days.run(0)

    next_at = await days.run(1)
    await days.run(1.01)
    again_at = await days.run(1 + FIRST_PAUSE / HOUR)

    assert days.work.ran == [Task.TRAIN, Task.ENQUEUE, Task.TRAIN]
    assert next_at == NOON + HOUR + FIRST_PAUSE
    assert again_at is not None
    assert again_at > next_at


async def test_a_task_that_a_dying_clock_left_is_run_again_by_the_next() -> None:
    days = Days({Task.TRAIN: [1]}, work=FakeScheduledWork(endless=True))
    await days.run(0)
    dying = asyncio.create_task(days.run(1))
    await days.work.begun.wait()
    dying.cancel()
    await asyncio.wait([dying])

    days.work.endless = False
    await days.run(1.1)
    await days.run(1.2)

    assert days.work.ran == [Task.TRAIN, Task.TRAIN]
    assert days.work.ticks == [NOON + HOUR] * 2
    assert days.book.pages[Task.TRAIN].outcome == "done"


async def test_a_tick_that_another_clock_has_taken_up_is_left_to_it() -> None:
    days = Days({Task.TRAIN: [1]}, book=RacedBook())
    await days.run(0)
    assert isinstance(days.book, RacedBook)

    days.book.is_raced = True
    await days.run(1)

    assert days.work.ran == []


async def test_a_new_expression_counts_from_now_and_what_is_known_stays_known() -> None:
    days = Days({Task.TRAIN: [1]})
    await days.run(0)
    await days.run(1)
    done = days.book.pages[Task.TRAIN]

    days.hours, days.cron = {Task.TRAIN: [2, 9]}, "another"
    next_at = await days.run(3)

    assert days.work.ran == [Task.TRAIN]
    assert next_at == NOON + 9 * HOUR
    assert days.book.pages[Task.TRAIN].succeeded_at == done.succeeded_at
    assert days.book.pages[Task.TRAIN].cron == "another"


async def test_a_task_that_is_turned_off_is_never_due() -> None:
    days = Days({Task.TRAIN: []})

    assert await days.run(0) is None


async def test_without_the_book_nothing_is_run() -> None:
    days = Days({Task.TRAIN: [1]}, book=FakeScheduleBook(unavailable=True))

    with pytest.raises(ArchiveUnavailable):
        await days.run(1)

    assert days.work.ran == []
