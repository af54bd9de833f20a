"""A fingerprint of interactions, the same in whatever order they come."""

import numpy as np
from numpy.typing import NDArray

from core.infrastructure.adbc_interaction_table import InteractionColumns

_MICROSECONDS = 1_000_000
_SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)


class InteractionDigest:
    """Two sums of well-mixed 64-bit numbers, one a row: it tells accidents apart, not forgeries.

    The mixing is the finaliser of SplitMix64 (Steele, Lea & Flood, Fast splittable pseudorandom number generators,
    OOPSLA 2014).
    """

    def __init__(self) -> None:
        self._sums = [0] * len(_SEEDS)

    def add(self, columns: InteractionColumns) -> None:
        """Take these rows in: users, posts, types and moments to the microsecond."""
        micros = np.rint(columns.times * _MICROSECONDS).astype(np.int64).view(np.uint64)
        words = (
            *_halves(columns.user_keys),
            *_halves(columns.post_keys),
            columns.type_codes.astype(np.uint64),
            micros,
        )
        for place, seed in enumerate(_SEEDS):
            mixed = np.full(len(micros), seed, dtype=np.uint64)
            for word in words:
                mixed = _mixed(mixed ^ word)
            self._sums[place] = (self._sums[place] + int(mixed.sum(dtype=np.uint64))) % 2**64

    def hexdigest(self) -> str:
        """32 hexadecimal digits."""
        return "".join(f"{total:016x}" for total in self._sums)


def user_hashes(user_keys: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    """(n,): the same for the same user everywhere, evenly spread."""
    first, second = _halves(user_keys)
    return _mixed(_mixed(first) ^ second)


def _halves(keys: NDArray[np.bytes_]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    pairs = np.ascontiguousarray(keys).view(np.uint64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = words + np.uint64(_SEEDS[0])
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
