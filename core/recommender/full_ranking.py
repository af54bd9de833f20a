"""Full ranking: lists out of all trained posts but the user's own, never out of sampled candidates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import Algorithm, InteractionMatrices, RankedPosts
from core.recommender.timed_interactions import TimedInteractions

USERS_AT_ONCE = 4_096
UNKNOWN = -1


def _ignore(_done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Interactions to learn from. timed: whether their times mean anything; they are hours up to 0, which is now."""

    interactions: TimedInteractions
    timed: bool

    def matrices_for(self, algorithm: Algorithm) -> InteractionMatrices:
        """What the algorithm learns from; all of one moment where times mean nothing."""
        if not self.timed:
            return InteractionMatrices.timeless(self.interactions.matrix(0, 0))
        return self.interactions.matrices(0, {*algorithm.half_lives_hours, algorithm.query_half_life_hours})

    def seen(self) -> csr_array:
        """CSR (users, posts), float32: an entry for each pair that interacted, also where it weighs 0."""
        users, posts = self.interactions.users, self.interactions.posts
        shape = self.interactions.user_count, self.interactions.post_count
        seen = csr_array((np.ones(len(users), dtype=np.float32), (users, posts)), shape=shape)
        seen.sum_duplicates()
        return seen

    def user_shares(self) -> NDArray[np.float64]:
        """(posts,): which part of all users has each post."""
        counts = np.bincount(self.seen().indices, minlength=self.interactions.post_count)
        shares: NDArray[np.float64] = counts / max(1, self.interactions.user_count)
        return shares


def fully_ranked(
    algorithm: Algorithm,
    training: TrainingSet,
    users: NDArray[np.int64],
    limit: int,
    *,
    threads: int = 1,
    on_users: Callable[[int, int], None] = _ignore,
) -> RankedPosts:
    """What the algorithm, which learns here, recommends to each of these users.

    users: (q,), rows of the training, -1 for somebody unknown, who asks with nothing. on_users: told how many of all
    users have their lists. Raises ValueError where the algorithm does.
    """
    matrices = training.matrices_for(algorithm)
    fitted = algorithm.fit(matrices)
    queries, seen = matrices.under(algorithm.query_half_life_hours), training.seen()
    parts = []
    for first in range(0, len(users), USERS_AT_ONCE):
        some = users[first : first + USERS_AT_ONCE]
        parts.append(fitted.recommend(_rows_of(queries, some), some, _rows_of(seen, some), limit, threads))
        on_users(first + len(some), len(users))
    return RankedPosts(np.concatenate([part.rows for part in parts]), np.concatenate([part.scores for part in parts]))


def _rows_of(matrix: csr_array, rows: NDArray[np.int64]) -> csr_array:
    """Those rows, empty for UNKNOWN: index -1 is that of an empty row behind the last one."""
    starts = np.append(matrix.indptr, matrix.indptr[-1])
    return csr_array((matrix.data, matrix.indices, starts), shape=(matrix.shape[0] + 1, matrix.shape[1]))[rows]
