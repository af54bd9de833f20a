"""Recommendations of many users, out of arrays and into what Redis and Postgres take, no object made for any."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.infrastructure.copied_feeds import REAL_TYPE, SMALLINT_TYPE, UUID_TYPE, copied_items
from core.infrastructure.exact_recommendations import ExactRecommendations

_RECORD = np.dtype([("post", "V16"), ("rest", "<u4")])
_SCORE_STEPS, _REASON_SHIFT = 1_000_000, 24


def recommendations_of(
    keys: NDArray[np.bytes_], scores: NDArray[np.float64], reasons: NDArray[np.uint8], lengths: NDArray[np.int32]
) -> list[ExactRecommendations]:
    """Of each user the first places, as many as counts.

    keys: (q, depth), dtype S16, ids of posts; scores: (q, depth), in [0, 1]; reasons: (q, depth), places in REASONS;
    lengths: (q,), from 0 to depth.
    """
    found: list[Any] = [None] * len(lengths)
    for length in np.unique(lengths).tolist():
        places = np.flatnonzero(lengths == length)
        some = _of_length(keys[places, :length], scores[places, :length], reasons[places, :length])
        for place, recommendations in zip(places.tolist(), some, strict=True):
            found[place] = recommendations
    return found


def _of_length(
    keys: NDArray[np.bytes_], scores: NDArray[np.float64], reasons: NDArray[np.uint8]
) -> list[ExactRecommendations]:
    """Of users who all have as many."""
    count, length = keys.shape
    if not length:
        return [ExactRecommendations(b"", b"", copied_items(())) for _ in range(count)]
    ids = np.ascontiguousarray(keys).view("V16")
    parts = _records(ids, scores, reasons), np.ascontiguousarray(scores).tobytes(), _copied(ids, scores, reasons)
    sizes = [len(part) // count for part in parts]
    return [
        ExactRecommendations(
            *(part[place * size : (place + 1) * size] for part, size in zip(parts, sizes, strict=True))
        )
        for place in range(count)
    ]


def _records(ids: NDArray[np.void], scores: NDArray[np.float64], reasons: NDArray[np.uint8]) -> bytes:
    """See PackedRecommendations."""
    records = np.empty(ids.shape, dtype=_RECORD)
    records["post"] = ids
    records["rest"] = np.rint(scores * _SCORE_STEPS).astype(np.uint32) | reasons.astype(np.uint32) << _REASON_SHIFT
    return records.tobytes()


def _copied(ids: NDArray[np.void], scores: NDArray[np.float64], reasons: NDArray[np.uint8]) -> bytes:
    """See CopiedFeeds: an array's size, its dimensions, and each element behind its own size."""
    count, length = ids.shape
    arrays: tuple[tuple[str, Any, int, Any], ...] = (
        ("post_ids", "V16", UUID_TYPE, ids),
        ("scores", ">f4", REAL_TYPE, scores),
        ("reasons", ">i2", SMALLINT_TYPE, reasons),
    )
    numbers = ("size", "dimensions", "flags", "kind", "length", "first")
    fields = [
        (name, [*((number, ">i4") for number in numbers), ("items", [("size", ">i4"), ("value", form)], (length,))])
        for name, form, _, _ in arrays
    ]
    rows = np.zeros(count, dtype=np.dtype(fields))
    for name, form, kind, values in arrays:
        array, item_size = rows[name], np.dtype(form).itemsize
        array["size"], array["dimensions"], array["kind"] = 20 + (4 + item_size) * length, 1, kind
        array["length"], array["first"] = length, 1
        array["items"]["size"], array["items"]["value"] = item_size, values
    return rows.tobytes()
