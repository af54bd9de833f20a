"""When an operator should be called."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.domain.job import Queue
from core.domain.levels import FeedStock, QueueLevel, Serves, ServiceLevels

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Check:
    """One figure beside its limit; value: None where it could not be asked, which counts as crossed."""

    name: str
    value: float | None
    limit: float
    is_crossed: bool
    says: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The most that is well; ages in seconds, or hours where the name says so."""

    oldest_message_seconds: float
    backlog: int
    dead_letters: int
    model_age_hours: float
    stale_share: float
    popular_age_seconds: float

    def checks(self, levels: ServiceLevels, now: datetime) -> list[Check]:
        """All of them, in the order in which an operator should look."""
        return [
            *self._of_queues(levels.queues[Queue.FEEDS] if levels.queues is not None else None),
            self._dead_letters(levels),
            *self._of_what_serves(levels.serves, now),
            self._stale_share(levels.feeds),
        ]

    def _of_queues(self, level: QueueLevel | None) -> Iterator[Check]:
        """Of the queue in which people wait; bulk may take its time."""
        yield _at_least("workers", None if level is None else level.workers_alive, 1, "worker processes alive")
        age = None if level is None else level.oldest_waiting_seconds or 0.0
        yield _at_most("oldest_message", age, self.oldest_message_seconds, "seconds that a job has waited for a worker")
        yield _at_most("backlog", None if level is None else level.waiting, self.backlog, "jobs that wait for a worker")

    def _dead_letters(self, levels: ServiceLevels) -> Check:
        dead = None if levels.queues is None else sum(level.dead_letters for level in levels.queues.values())
        return _at_most("dead_letters", dead, self.dead_letters, "jobs that failed for good")

    def _of_what_serves(self, serves: Serves | None, now: datetime) -> Iterator[Check]:
        model = None if serves is None else serves.serving.model
        hours = None if model is None else (now - model.trained_at) / timedelta(hours=1)
        yield _at_most("model_age", hours, self.model_age_hours, "age of the model that serves, in hours")
        counted_at = None if serves is None else serves.popular_computed_at
        seconds = None if counted_at is None else (now - counted_at) / _SECOND
        yield _at_most("popular_age", seconds, self.popular_age_seconds, "age of the popular feed, in seconds")

    def _stale_share(self, feeds: FeedStock | None) -> Check:
        share = None if feeds is None else feeds.stale_share
        return _at_most("stale_share", share, self.stale_share, "share of stored feeds that are stale")


def _at_most(name: str, value: float | None, limit: float, what: str) -> Check:
    return _check(name, value, limit, what, f"at most {limit:g}", is_crossed=value is None or value > limit)


def _at_least(name: str, value: float | None, limit: float, what: str) -> Check:
    return _check(name, value, limit, what, f"at least {limit:g}", is_crossed=value is None or value < limit)


def _check(name: str, value: float | None, limit: float, what: str, bound: str, *, is_crossed: bool) -> Check:
    figure = "unknown" if value is None else f"{round(value, 2):g}"
    return Check(name, value, limit, is_crossed, f"{name}: {figure}, {bound} is well ({what})")
