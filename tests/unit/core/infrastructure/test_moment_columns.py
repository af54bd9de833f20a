"""Columns of times mean what single times mean, in every way they are written."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import InvalidInput
from core.infrastructure.moment_columns import parse_moment, to_microseconds

MOMENT = datetime(2024, 1, 31, 10, 20, 30, 500_000, tzinfo=UTC)
MICROSECONDS = 1_706_696_430_500_000
OFFSETS = st.none() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
WRITTEN = (
    st.datetimes(timezones=OFFSETS).map(lambda moment: moment.isoformat())
    | st.datetimes(timezones=OFFSETS).map(lambda moment: str(moment).replace("+00:00", "Z"))
    | st.dates().map(str)
    | st.integers(0, 10**12).map(str)
    | st.decimals(0, 10**10, places=3).map(str)
)


def read(column: pa.Array) -> list[int | None]:
    microseconds, are_times = to_microseconds(column)
    return [value if known else None for value, known in zip(microseconds.tolist(), are_times.tolist(), strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31T10:20:30.5Z",
        "2024-01-31 10:20:30.500000",
        "2024-01-31T10:20:30.500000123Z",
        "2024-01-31T12:20:30.5+02:00",
        "2024-01-31T12:20:30.5+0200",
        "20240131T102030.5",
        " 2024-01-31T10:20:30.5\t",
        "1706696430.5",
    ],
)
def test_each_way_of_writing_a_time_is_read_alone_and_among_others(text: str) -> None:
    assert read(pa.array([text])) == [MICROSECONDS]
    assert read(pa.array([text, "never", "0", "2024-01-31"])) == [MICROSECONDS, None, 0, 1_706_659_200_000_000]


@given(st.lists(WRITTEN, min_size=1, max_size=3))
def test_columns_agree_with_single_times(texts: list[str]) -> None:
    assert read(pa.array(texts)) == [parse_moment(text) for text in texts]


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)))
def test_naive_times_are_utc_and_seconds_keep_their_microseconds(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    microseconds = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    seconds = f"{microseconds // 10**6}.{microseconds % 10**6:06}"

    assert read(pa.array([moment.isoformat()])) == read(pa.array([seconds])) == [microseconds]


@pytest.mark.parametrize(
    "text",
    ["", " ", "never", "0x10", "1e9", "nan", "inf", "1_0", "٣", "12.", "2024-13-01", "2024-01-31T24:30", "10:20"],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert read(pa.array([text])) == [None]
    assert read(pa.array([text, "2024-01-31"])) == [None, 1_706_659_200_000_000]


def test_a_missing_time_is_none() -> None:
    assert read(pa.array([None, "5"], pa.string())) == [None, 5_000_000]
    assert read(pa.array([None], pa.timestamp("ns"))) == [None]
    assert read(pa.array([None, float("nan"), 1.5])) == [None, None, 1_500_000]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([MOMENT], pa.timestamp("us", "UTC")),
        ([MOMENT.replace(tzinfo=None)], pa.timestamp("ns")),
        ([MOMENT], pa.timestamp("ms", "Europe/Berlin")),
        ([MICROSECONDS / 1e6], pa.float64()),
        ([Decimal("1706696430.5")], pa.decimal128(12, 1)),
    ],
)
def test_typed_times_are_taken_as_they_are(values: list[Any], kind: pa.DataType) -> None:
    assert read(pa.array(values, kind)) == [MICROSECONDS]


def test_typed_days_and_whole_seconds_are_taken_as_they_are() -> None:
    assert read(pa.array([date(2024, 1, 31)])) == [1_706_659_200_000_000]
    assert read(pa.array([1_706_659_200], pa.uint32())) == [1_706_659_200_000_000]


def test_a_number_of_any_size_stays_on_its_side_of_now() -> None:
    far = pa.array([1e300, -1e300, np.inf, -np.inf])

    assert [value > 0 for value in read(far) if value is not None] == [True, False, True, False]
    assert read(pa.array(["9" * 15]))[0] == parse_moment("9" * 15)


def test_another_type_is_refused() -> None:
    with pytest.raises(InvalidInput, match="type bool"):
        to_microseconds(pa.array([True]))
