"""When it is worth coming back."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.domain.backlog import Backlog


@pytest.mark.parametrize(
    ("backlog", "seconds"),
    [
        (Backlog(), 1),
        (Backlog(waiting=1), 1),
        (Backlog(waiting=0, finished=500, busy_seconds=1), 1),
        (Backlog(waiting=5), 5),
        (Backlog(waiting=100, finished=100, busy_seconds=5), 5),
        (Backlog(waiting=101, finished=100, busy_seconds=5), 6),
        (Backlog(waiting=10_000, finished=5_000, busy_seconds=10), 20),
        (Backlog(waiting=3, finished=1, busy_seconds=8), 3),
        (Backlog(waiting=10_000), 60),
    ],
)
def test_what_waits_takes_as_long_as_the_recent_speed_says(backlog: Backlog, seconds: int) -> None:
    assert backlog.retry_after_seconds == seconds


@given(some.integers(0, 10**9), some.integers(0, 10**9), some.integers(0, 10))
def test_it_is_a_second_at_least_and_a_minute_at_most(waiting: int, finished: int, busy_seconds: int) -> None:
    assert 1 <= Backlog(waiting, finished, busy_seconds).retry_after_seconds <= 60
