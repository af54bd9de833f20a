"""Bulk work slows down while people wait, and speeds up again."""

import pytest

from core.domain.giving_way import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, next_pause
from core.domain.levels import QueueLevel

WAITING = [QueueLevel(waiting=1), QueueLevel(running=1)]


@pytest.mark.parametrize("level", WAITING)
def test_while_somebody_waits_pauses_grow_up_to_a_bound(level: QueueLevel) -> None:
    pauses = [0.0]
    for _ in range(20):
        pauses.append(next_pause(pauses[-1], level))

    assert pauses[1] == FIRST_PAUSE_SECONDS
    assert pauses[2] == 2 * FIRST_PAUSE_SECONDS
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_when_nobody_waits_pauses_shrink_to_none() -> None:
    pauses = [LONGEST_PAUSE_SECONDS]
    for _ in range(20):
        pauses.append(next_pause(pauses[-1], QueueLevel()))

    assert pauses[1] == LONGEST_PAUSE_SECONDS / 2
    assert pauses[-1] == 0
    assert next_pause(0, QueueLevel(delayed=3)) == 0


@pytest.mark.parametrize(("seconds", "pause"), [(0.001, FIRST_PAUSE_SECONDS), (0.05, 0.5), (30, LONGEST_PAUSE_SECONDS)])
def test_the_longer_somebody_has_waited_the_longer_is_the_first_pause(seconds: float, pause: float) -> None:
    assert next_pause(0, QueueLevel(waiting=1, oldest_waiting_seconds=seconds)) == pause
