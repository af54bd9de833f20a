"""Ids of 16 bytes as numbers: each id's code is its place in the order of first appearance."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from core.recommender.compiled import arrays_of, compiled, outputs_of, part_of_kernels

MOST_IDS = 2**31 - 1

_EMPTY = -1
_FIRST_ROOM = 1024


class IdDictionary:
    """Hands out the codes 0, 1, 2, …; ids may come in any number of arrays, so that none has to hold them all."""

    def __init__(self) -> None:
        self._empty()

    def __len__(self) -> int:
        return int(self._count[0])

    def encode(self, ids: NDArray[np.bytes_]) -> NDArray[np.int32]:
        """The code of each id. ids: shape (n,), dtype S16; the result: shape (n,). Raises ValueError for 2^31 ids."""
        words = _words(ids)
        codes = np.empty(len(words), dtype=np.int32)
        done = 0
        while True:
            done += _encode(words[done:], self._slots, self._ids, self._count, codes[done:])
            if done == len(words):
                return codes
            self._grow()

    def sorted(self) -> tuple[NDArray[np.bytes_], NDArray[np.int32]]:
        """All ids in ascending order of their bytes, and where in that order the id of each code is.

        Shapes (len,); dtypes S16 and int32. The dictionary is empty then.
        """
        ids = self._ids[: len(self)]
        self._empty()
        order = _ascending(ids)
        ranks = np.empty(len(ids), dtype=np.int32)
        ranks[order] = np.arange(len(ids), dtype=np.int32)
        return ids[order].view("S16")[:, 0], ranks

    def _empty(self) -> None:
        self._ids = np.empty((_FIRST_ROOM, 2), dtype=np.uint64)
        self._slots = np.full(2 * _FIRST_ROOM, _EMPTY, dtype=np.int32)
        self._count = np.zeros(1, dtype=np.int64)

    def _grow(self) -> None:
        if len(self._ids) == MOST_IDS:
            raise ValueError(f"there are more than {MOST_IDS:,} ids: 32 bits cannot number them")
        self._slots = np.full(2 * len(self._slots), _EMPTY, dtype=np.int32)
        ids = np.empty((min(2 * len(self._ids), MOST_IDS), 2), dtype=np.uint64)
        ids[: len(self)] = self._ids[: len(self)]
        self._ids = ids
        _place_all(self._ids[: len(self)], self._slots)


def _words(ids: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    if ids.dtype != np.dtype("S16") or ids.ndim != 1:
        raise ValueError(f"ids must be of shape (n,) and type S16, not {ids.shape} and {ids.dtype}")
    return np.ascontiguousarray(ids).view(np.uint64).reshape(-1, 2)


def _ascending(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The order of ids by their bytes. Most often the first eight tell them apart: one fast sort then."""
    high, low = (words.view(">u8")[:, place].astype(np.uint64) for place in (0, 1))
    order = np.argsort(high)
    ordered = high[order]
    return np.lexsort((low, high)) if (ordered[1:] == ordered[:-1]).any() else order


@part_of_kernels
def _first_slot(one: Any, other: Any, slots: Any) -> Any:
    """Where to begin to look: ids that differ in a few bits only begin far apart."""
    mixed = (one ^ (other * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
    return (mixed ^ (mixed >> np.uint64(31))) & np.uint64(len(slots) - 1)


@compiled(
    types.int64, arrays_of(types.uint64, 2), outputs_of(types.int32), outputs_of(types.uint64, 2),
    outputs_of(types.int64), outputs_of(types.int32),
)  # fmt: skip
def _encode(words: Any, slots: Any, ids: Any, count: Any, codes: Any) -> int:
    """Find codes up to the first new id for which there is no room; gives how many. count: (1,), ids known."""
    last_slot = np.uint64(len(slots) - 1)
    for place in range(len(words)):
        one, other = words[place, 0], words[place, 1]
        slot = _first_slot(one, other, slots)
        code = slots[slot]
        while code >= 0 and (ids[code, 0] != one or ids[code, 1] != other):
            slot = (slot + np.uint64(1)) & last_slot
            code = slots[slot]
        if code < 0:
            code = np.int32(count[0])
            if code == len(ids):
                return place
            ids[code, 0], ids[code, 1] = one, other
            slots[slot] = code
            count[0] += 1
        codes[place] = code
    return len(words)


@compiled(types.void, arrays_of(types.uint64, 2), outputs_of(types.int32))
def _place_all(ids: Any, slots: Any) -> None:
    last_slot = np.uint64(len(slots) - 1)
    for code in range(len(ids)):
        slot = _first_slot(ids[code, 0], ids[code, 1], slots)
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & last_slot
        slots[slot] = np.int32(code)
