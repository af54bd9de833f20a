"""Cron expressions as the clock reads them."""

from datetime import UTC, datetime, timedelta

import pytest

from core.domain.errors import ConfigurationError
from core.infrastructure.cron_ticks import CronTicks

THREE = datetime(2026, 11, 24, 3, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def test_the_newest_tick_may_be_now_and_the_next_is_later() -> None:
    ticks = CronTicks("0 3 * * *")

    assert [ticks.newest(THREE + ago) for ago in (-SECOND, SECOND * 0, SECOND / 2, SECOND)] == [
        THREE - DAY,
        THREE,
        THREE,
        THREE,
    ]
    assert [ticks.next(THREE + ago) for ago in (-SECOND, SECOND * 0, SECOND)] == [THREE, THREE + DAY, THREE + DAY]


def test_never_has_no_ticks() -> None:
    ticks = CronTicks("never")

    assert ticks.newest(THREE) is None
    assert ticks.next(THREE) is None


def test_lists_ranges_steps_and_names_are_understood() -> None:
    assert CronTicks("*/20 1-2 * * MON-FRI").newest(THREE) == THREE - timedelta(minutes=20)
    assert CronTicks("0 3,15 * * *").next(THREE) == THREE + timedelta(hours=12)


@pytest.mark.parametrize("expression", ["", "0 3 * *", "61 * * * *", "0 3 * * * *", "daily", "0 0 30 2 *", "Never"])
def test_what_cannot_be_read_is_one_line_that_names_the_variable(expression: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^TRAIN_CRON=.* is wrong: expected minute, hour, .* or never$"):
        CronTicks(expression, "TRAIN_CRON")
