"""The histories of many users as arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class HistoryArrays(NamedTuple):
    """m interactions of n users, the users in ascending order and each one's together.

    user_keys: (n,), dtype S16, the users that have any; starts: (n + 1,), int64, where each one's interactions begin;
    sequences: (n,), int64, of their latest changes, 0 for none; post_keys: (m,), dtype S16; type_codes: (m,), int64,
    places in InteractionType; moments: (m,), int64, microseconds since 2000 in UTC, as is data_now.
    """

    user_keys: NDArray[np.bytes_]
    starts: NDArray[np.int64]
    sequences: NDArray[np.int64]
    post_keys: NDArray[np.bytes_]
    type_codes: NDArray[np.int64]
    moments: NDArray[np.int64]
    data_now: int
    generation: int
    epoch: int

    @property
    def owners(self) -> NDArray[np.int64]:
        """(m,): the place of each interaction's user."""
        return np.repeat(np.arange(len(self.user_keys)), np.diff(self.starts))
