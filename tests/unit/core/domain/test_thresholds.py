"""What an operator is called for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.job import Queue
from core.domain.levels import FeedStock, QueueLevel, Serves, ServiceLevels
from core.domain.model import Serving
from core.domain.thresholds import Thresholds
from tests.builders import NOON, model_record_of

THRESHOLDS = Thresholds(
    oldest_message_seconds=60,
    backlog=100,
    dead_letters=1,
    model_age_hours=24,
    stale_share=0.5,
    popular_age_seconds=600,
)
QUIET = {Queue.FEEDS: QueueLevel(workers_alive=1), Queue.FEEDS_BULK: QueueLevel()}
SERVES = Serves(Serving(model_record_of(trained_at=NOON), 1), NOON)
WELL = ServiceLevels(QUIET, SERVES, FeedStock(fresh=1, stale=1, oldest_generated_at=NOON))


def crossed(levels: ServiceLevels, seconds_later: float = 0) -> list[str]:
    checks = THRESHOLDS.checks(levels, NOON + timedelta(seconds=seconds_later))
    return [check.name for check in checks if check.is_crossed]


def with_queue(level: QueueLevel, queue: Queue = Queue.FEEDS) -> ServiceLevels:
    return replace(WELL, queues={**QUIET, queue: level})


def test_within_all_thresholds_nothing_is_crossed() -> None:
    assert crossed(WELL) == []
    assert crossed(WELL, seconds_later=600) == []


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (QueueLevel(), "workers"),
        (QueueLevel(workers_alive=1, waiting=1, oldest_waiting_seconds=60.5), "oldest_message"),
        (QueueLevel(workers_alive=1, waiting=101), "backlog"),
        (QueueLevel(workers_alive=1, dead_letters=2), "dead_letters"),
    ],
)
def test_each_figure_of_the_queue_has_its_threshold(level: QueueLevel, name: str) -> None:
    assert crossed(with_queue(level)) == [name]


def test_bulk_may_take_its_time_but_its_dead_letters_count() -> None:
    level = QueueLevel(waiting=1_000_000, oldest_waiting_seconds=80_000, dead_letters=2)

    assert crossed(with_queue(level, Queue.FEEDS_BULK)) == ["dead_letters"]


def test_an_old_model_and_an_old_popular_feed_are_told() -> None:
    assert crossed(WELL, seconds_later=601) == ["popular_age"]
    assert crossed(WELL, seconds_later=25 * 3600) == ["model_age", "popular_age"]


def test_more_stale_feeds_than_may_be_are_told() -> None:
    assert crossed(replace(WELL, feeds=FeedStock(fresh=1, stale=2))) == ["stale_share"]


def test_where_nothing_is_stored_nothing_is_stale() -> None:
    assert crossed(replace(WELL, feeds=FeedStock())) == []


def test_what_cannot_be_asked_is_crossed() -> None:
    unknown = ServiceLevels()

    assert crossed(unknown) == [check.name for check in THRESHOLDS.checks(unknown, NOON)]


def test_without_a_model_and_a_popular_feed_both_are_crossed() -> None:
    assert crossed(replace(WELL, serves=Serves(Serving(None, 0), None))) == ["model_age", "popular_age"]


def test_a_check_says_the_figure_and_its_limit() -> None:
    (says,) = [check.says for check in THRESHOLDS.checks(with_queue(QueueLevel()), NOON) if check.is_crossed]

    assert says == "workers: 0, at least 1 is well (worker processes alive)"
