"""When a task is due, by what is remembered of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.schedule import ATTEMPTS_AT_MOST, FIRST_PAUSE, TaskEnd, TaskRecord
from tests.builders import NOON

HOUR = timedelta(hours=1)
NEW = TaskRecord("0 * * * *", NOON)
DONE = TaskEnd(is_good=True, says="v2 serves now")
BROKEN = TaskEnd(is_good=False, says="exit code 1: no")


def tried(times: int, end: TaskEnd | None) -> TaskRecord:
    """The tick at noon taken up so many times, an hour each; with no end the last attempt was killed."""
    record = replace(NEW, tick=NOON - HOUR)
    for number in range(times):
        record = record.begun(NOON, NOON + number * HOUR)
        if end is not None:
            record = record.ended(end, NOON + (number + 1) * HOUR)
    return record


def test_a_task_that_is_new_is_not_due_before_the_next_tick() -> None:
    assert NEW.due_at(NOON) is None
    assert NEW.due_at(NOON + HOUR) == NOON + HOUR


def test_of_many_missed_ticks_one_is_caught_up() -> None:
    late = NOON + 5 * HOUR
    record = tried(1, DONE)

    caught_up = record.begun(late, late).ended(DONE, late)

    assert record.due_at(late) == late
    assert caught_up.due_at(late) is None


def test_a_task_that_is_done_is_not_due_again_for_the_same_tick() -> None:
    assert tried(1, DONE).due_at(NOON) is None


def test_a_task_that_was_killed_is_due_at_once() -> None:
    assert tried(1, None).due_at(NOON) == NOON


def test_a_task_that_failed_is_tried_again_after_growing_pauses() -> None:
    assert tried(1, BROKEN).due_at(NOON) == NOON + 1 * HOUR + FIRST_PAUSE
    assert tried(2, BROKEN).due_at(NOON) == NOON + 2 * HOUR + 2 * FIRST_PAUSE


@pytest.mark.parametrize("end", [BROKEN, None])
def test_after_enough_attempts_only_the_next_tick_makes_it_due(end: TaskEnd | None) -> None:
    record = tried(ATTEMPTS_AT_MOST, end)

    assert record.due_at(NOON) is None
    assert record.due_at(NOON + 24 * HOUR) == NOON + 24 * HOUR
    assert record.begun(NOON + 24 * HOUR, NOON + 24 * HOUR).attempts == 1


def test_a_clock_that_was_set_back_takes_up_nothing() -> None:
    assert tried(1, DONE).due_at(NOON - 3 * HOUR) is None


def test_the_last_good_end_is_remembered_over_bad_ones() -> None:
    record = tried(1, DONE)

    failed = record.begun(NOON + 9 * HOUR, NOON + 9 * HOUR).ended(BROKEN, NOON + 10 * HOUR)

    assert failed.succeeded_at == NOON + HOUR
    assert failed.says == BROKEN.says


@pytest.mark.parametrize(
    ("record", "outcome"),
    [(NEW, "not yet run"), (tried(1, None), "not ended"), (tried(1, DONE), "done"), (tried(1, BROKEN), "failed")],
)
def test_the_outcome_in_a_word(record: TaskRecord, outcome: str) -> None:
    assert record.outcome == outcome
