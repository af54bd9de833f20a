"""The machine's clock tells aware times in UTC."""

from datetime import UTC, datetime, timedelta

from core.infrastructure.system_clock import SystemClock


def test_now_is_aware_and_in_utc() -> None:
    now = SystemClock().now()

    assert now.utcoffset() == timedelta()
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
