"""A part of the training interactions kept back, by which parameters are chosen without a look at the test."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import Algorithm
from core.recommender.full_ranking import TrainingSet, fully_ranked
from core.recommender.ranking_metrics import ndcg_at_k
from core.recommender.timed_interactions import TimedInteractions

HELD_OUT_SHARE = 0.2


class Holdout(NamedTuple):
    """Training interactions in two parts.

    rest: what is left to learn from; users: (h,), int64, rising, those with posts held out, who have others left;
    held_out: CSR (h, posts), 1 for each post.
    """

    rest: TrainingSet
    users: NDArray[np.int64]
    held_out: csr_array

    def score(self, algorithm: Algorithm, k: int, threads: int = 1) -> float:
        """The mean nDCG@k of the posts held out, in lists of the algorithm, which learns from the rest here."""
        lists = fully_ranked(algorithm, self.rest, self.users, k, threads=threads).rows
        return float(ndcg_at_k(lists, self.held_out, k).mean())


def held_out(training: TrainingSet, seed: int = 0) -> Holdout:
    """Hold back a fifth of each user's posts, at least one: the latest where there are times, else drawn ones.

    A user with a single post keeps it. Raises ValueError where nobody has two.
    """
    all_of_it = training.interactions
    pairs, places = np.unique(all_of_it.users * all_of_it.post_count + all_of_it.posts, return_inverse=True)
    users, posts = np.divmod(pairs, all_of_it.post_count)
    if len(users) == len(np.unique(users)):
        raise ValueError("no user has two posts: there is nothing to hold out")
    kept_back = _last_of_each(users, _lateness(training, places, len(pairs), seed))
    chosen, rows = np.unique(users[kept_back], return_inverse=True)
    shape = len(chosen), all_of_it.post_count
    relevant = csr_array((np.ones(len(rows)), (rows, posts[kept_back])), shape=shape)
    return Holdout(TrainingSet(_up_to_now(all_of_it.where(~kept_back[places])), training.timed), chosen, relevant)


def _last_of_each(users: NDArray[np.int64], lateness: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(pairs,): whether a pair is in its user's latest fifth. users: (pairs,), rising."""
    _, firsts, places, counts = np.unique(users, return_index=True, return_inverse=True, return_counts=True)
    taken = np.where(counts > 1, np.maximum(1, np.rint(HELD_OUT_SHARE * counts)), 0)
    order = np.lexsort((lateness, users))
    ranks = np.arange(len(users)) - firsts[places]
    last = np.empty(len(users), dtype=np.bool_)
    last[order] = ranks >= (counts - taken)[places]
    return last


def _lateness(training: TrainingSet, places: NDArray[np.int64], pairs: int, seed: int) -> NDArray[np.float64]:
    """(pairs,): a pair's first interaction or, without times, a number drawn."""
    if not training.timed:
        return np.random.default_rng(seed).random(pairs)
    firsts = np.full(pairs, np.inf)
    np.minimum.at(firsts, places, training.interactions.times)
    return firsts


def _up_to_now(interactions: TimedInteractions) -> TimedInteractions:
    return interactions._replace(times=interactions.times - interactions.times.max())
