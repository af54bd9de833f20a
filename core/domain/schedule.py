"""What is done by the clock, and when it is due."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

NEVER = "never"
ATTEMPTS_AT_MOST = 3
FIRST_PAUSE = timedelta(minutes=5)


class Task(StrEnum):
    """In the order in which tasks are run that are due at once: feeds are made by the model that was just trained."""

    TRAIN = "train"
    ENQUEUE = "enqueue"
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a task ended; says: one line for a person."""

    is_good: bool
    says: str


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """The newest tick that a task has taken up, and how that went.

    tick: with no attempts, the moment from which on ticks count. ended_at: None while it runs, and for good if it was
    killed. says: how it ended, in one line; succeeded_at: the last good end, which may be of an earlier tick.
    """

    cron: str
    tick: datetime
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    has_failed: bool = False
    says: str = ""
    succeeded_at: datetime | None = None

    @property
    def outcome(self) -> str:
        """Of the last attempt, in a word or two; what is under way and what was killed look the same from here."""
        if self.started_at is None:
            return "not yet run"
        if self.ended_at is None:
            return "not ended"
        return "failed" if self.has_failed else "done"

    def due_at(self, newest_tick: datetime | None) -> datetime | None:
        """Since or from when it is to be run, None if not before another tick; `newest_tick` is the last that passed.

        However many ticks were missed, the newest stands for all of them.
        """
        if newest_tick is not None and newest_tick > self.tick:
            return newest_tick
        return self._again_at()

    def begun(self, newest_tick: datetime | None, now: datetime) -> "TaskRecord":
        """The record of an attempt that begins now: the first at a new tick, or one more at the same."""
        is_new = newest_tick is not None and newest_tick > self.tick
        return replace(
            self,
            tick=newest_tick if newest_tick is not None and is_new else self.tick,
            attempts=1 if is_new else self.attempts + 1,
            started_at=now,
            ended_at=None,
            has_failed=False,
            says="",
        )

    def ended(self, end: TaskEnd, now: datetime) -> "TaskRecord":
        """The record of the attempt that ends now."""
        succeeded_at = now if end.is_good else self.succeeded_at
        return replace(self, ended_at=now, has_failed=not end.is_good, says=end.says, succeeded_at=succeeded_at)

    def _again_at(self) -> datetime | None:
        """When the same tick is tried again: at once where the last attempt was killed, else after a growing pause."""
        if self.started_at is None or self.attempts >= ATTEMPTS_AT_MOST:
            return None
        if self.ended_at is None:
            return self.started_at
        return self.ended_at + FIRST_PAUSE * 2 ** (self.attempts - 1) if self.has_failed else None
