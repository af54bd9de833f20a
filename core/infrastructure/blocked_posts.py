"""Which posts of a model are not to be recommended, as posts are hidden and shown."""

import numpy as np
from numpy.typing import NDArray

from core.infrastructure.hidden_keys import HiddenChange
from core.infrastructure.key_rows import NO_KEYS, KeyRows, bytes_of, rows_of_keys


class BlockedPosts:
    """Looks through the posts that a model has learned once; afterwards a change costs what has changed."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()
        self._learned_keys, self._learned = NO_KEYS, np.empty(0, dtype=np.bool_)

    def change(self, change: HiddenChange) -> None:
        """Block posts, and others no more."""
        self._keys |= set(change.hidden)
        self._keys -= set(change.shown)
        for keys, is_blocked in ((change.hidden, True), (change.shown, False)):
            rows = rows_of_keys(self._learned_keys, np.array(list(keys), dtype="S16"))
            self._learned[rows[rows >= 0]] = is_blocked

    def among(self, posts: KeyRows) -> NDArray[np.bool_] | None:
        """(posts,): which of a model's are blocked, None for none."""
        if posts.ascending is not self._learned_keys:
            self._learned_keys, self._learned = posts.ascending, self._are_blocked(posts.ascending)
        blocked = np.concatenate((self._learned, self._are_blocked(posts.later)))
        return blocked if blocked.any() else None

    def _are_blocked(self, keys: NDArray[np.bytes_]) -> NDArray[np.bool_]:
        if not self._keys:
            return np.zeros(len(keys), dtype=np.bool_)
        return np.array([key in self._keys for key in bytes_of(keys)], dtype=np.bool_)
