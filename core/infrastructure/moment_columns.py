"""Columns of times, written as ISO 8601 or Unix seconds or typed as such, turned into microseconds."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.domain.errors import InvalidInput
from core.infrastructure.interaction_rows import Microseconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECONDS = r"^-?[0-9]{1,15}(\.[0-9]+)?$"
_WRITTEN_SECONDS = re.compile(_SECONDS[:-1] + r"\Z")
_FARTHEST_SECONDS = 1e12
"""About the year 33,000; whatever is farther is no more wrong than this, and fits into 64 bits as microseconds."""

_UNREADABLE = np.iinfo(np.int64).min


def to_microseconds(column: pa.Array) -> tuple[Microseconds, NDArray[np.bool_]]:
    """Microseconds since 1970 in UTC, and which of the values are times at all; naive times are taken for UTC."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        found = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_date(kind):
        found = column.cast(pa.timestamp("us"))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        found = _of_seconds(column)
    elif pa.types.is_string(kind):
        found = _of_texts(column)
    else:
        raise InvalidInput(f"times cannot be read from a column of type {kind}")
    microseconds = found.cast(pa.int64()).fill_null(_UNREADABLE).to_numpy()
    return microseconds, microseconds != _UNREADABLE


def _of_texts(texts: pa.StringArray) -> pa.Array:
    """By the column where all are written in the same way, else one by one."""
    if pc.all(pc.match_substring_regex(texts, _SECONDS), skip_nulls=False).as_py():
        return _of_seconds(texts.cast(pa.float64()))
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            continue
    encoded = texts.dictionary_encode()
    moments = pa.array([parse_moment(text) for text in encoded.dictionary.to_pylist()], pa.int64())
    return moments.take(encoded.indices)


def _of_seconds(column: pa.Array) -> pa.Array:
    seconds: NDArray[Any] = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    clipped = np.clip(seconds, -_FARTHEST_SECONDS, _FARTHEST_SECONDS)
    unknown = np.isnan(seconds)
    return pa.array(np.rint(np.where(unknown, 0, clipped) * 1e6).astype(np.int64), mask=unknown)


def parse_moment(text: str) -> int | None:
    """Microseconds since 1970 in UTC of one written time, None where it is none."""
    stripped = text.strip()
    if _WRITTEN_SECONDS.match(stripped):
        seconds = min(max(float(stripped), -_FARTHEST_SECONDS), _FARTHEST_SECONDS)
        return round(seconds * 1e6)
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
