"""Which row each id has in a model that knows some since it was trained and others since."""

from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.infrastructure.quick_uuid import QuickUUID

NO_KEYS: NDArray[np.bytes_] = np.empty(0, dtype="S16")


class KeyRows:
    """Rows of ascending keys first, then those of later keys in the order in which they were given.

    A later key that is among the first ones too stands for its later row. Keys: S16, the 16 bytes of each UUID.
    """

    def __init__(self, ascending: NDArray[np.bytes_], later: NDArray[np.bytes_] = NO_KEYS) -> None:
        self.ascending = ascending
        self.later = later
        self._order = np.argsort(later)
        self._ascending_later = later[self._order]

    def __len__(self) -> int:
        return len(self.ascending) + len(self.later)

    def rows(self, wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """(n,): the row of each key, -1 for those that have none."""
        rows = rows_of_keys(self.ascending, wanted)
        if len(self.later):
            places = rows_of_keys(self._ascending_later, wanted)
            is_later = places >= 0
            rows[is_later] = len(self.ascending) + self._order[places[is_later]]
        return rows

    def keys(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bytes_]:
        """(n,): the key of each row."""
        count = len(self.ascending)
        if not len(self.later):
            ascending: NDArray[np.bytes_] = self.ascending[rows]
            return ascending
        keys = np.zeros(rows.shape, dtype="S16")
        is_first = rows < count
        keys[is_first] = self.ascending[rows[is_first]]
        keys[~is_first] = self.later[rows[~is_first] - count]
        return keys


def rows_of_keys(keys: NDArray[np.bytes_], wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """(n,): the place of each wanted key among the ascending keys, -1 for those that are not there."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1).astype(np.int64)


def raw_keys(keys: NDArray[np.bytes_]) -> NDArray[np.uint8]:
    """(n, 16): all bytes of (n,) keys; items of the keys themselves would lose trailing zeros."""
    return np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 16)


def bytes_of(keys: NDArray[np.bytes_]) -> list[bytes]:
    """The sixteen bytes of each."""
    raw = raw_keys(keys).tobytes()
    return [raw[start : start + 16] for start in range(0, len(raw), 16)]


def ids_of(keys: NDArray[np.bytes_]) -> list[UUID]:
    """The id of each."""
    return list(map(QuickUUID, bytes_of(keys)))
