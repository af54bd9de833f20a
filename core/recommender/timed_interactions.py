"""Interactions with their times, from which matrices are made as of any moment."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import InteractionMatrices
from core.recommender.interaction_matrix import decayed_weights, user_item_matrix


class TimedInteractions(NamedTuple):
    """n interactions of numbered users with numbered posts.

    users, posts: (n,), int64, below user_count and post_count; weights: (n,), float64, finite, not negative;
    times: (n,), float64, hours since any moment.
    """

    users: NDArray[np.int64]
    posts: NDArray[np.int64]
    weights: NDArray[np.float64]
    times: NDArray[np.float64]
    user_count: int
    post_count: int

    def where(self, wanted: NDArray[Any]) -> "TimedInteractions":
        """Those interactions alone, of as many users and posts. wanted: (n,), bool, or places."""
        return self._replace(
            users=self.users[wanted], posts=self.posts[wanted], weights=self.weights[wanted], times=self.times[wanted]
        )

    def matrix(self, now: float, half_life_hours: float) -> csr_array:
        """CSR (users, posts) of saturated weights, decayed up to `now`, which is in the unit of `times`."""
        decayed = decayed_weights(self.weights, now - self.times, half_life_hours)
        return user_item_matrix(self.users, self.posts, decayed, (self.user_count, self.post_count))

    def matrices(self, now: float, half_lives_hours: Iterable[float]) -> InteractionMatrices:
        """What an algorithm with these half-lives learns from at that moment."""
        return InteractionMatrices(
            {half_life: self.matrix(now, half_life) for half_life in half_lives_hours}, self.post_ages(now)
        )

    def post_ages(self, now: float) -> NDArray[np.float64]:
        """(posts,): hours since each post's first interaction, at least 0; 0 for those without."""
        births = np.full(self.post_count, np.inf)
        np.minimum.at(births, self.posts, self.times)
        return np.maximum(0, np.where(np.isfinite(births), now - births, 0))


def places_of(numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count,): where each number below the count stands among these, -1 for those that do not."""
    places = np.full(count, -1)
    places[numbers] = np.arange(len(numbers))
    return places


def first_times(interactions: TimedInteractions) -> NDArray[np.int64]:
    """Places of each pair's first interaction, ascending by time; of several at one moment, the first in order."""
    order = np.argsort(interactions.times, kind="stable")
    pairs = interactions.users[order] * interactions.post_count + interactions.posts[order]
    _, firsts = np.unique(pairs, return_index=True)
    places: NDArray[np.int64] = order[np.sort(firsts)]
    return places
