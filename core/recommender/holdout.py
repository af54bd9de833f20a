"""A part of the training interactions kept back, by which parameters are chosen without a look at the test."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import Algorithm
from core.recommender.full_ranking import TrainingSet, fully_ranked
from core.recommender.ranking_metrics import ndcg_at_k
from core.recommender.timed_interactions import TimedInteractions

HELD_OUT_SHARE = 0.2
FOLDS = 4


class Fold(NamedTuple):
    """Training interactions in two parts.

    rest: what is left to learn from; users: (h,), int64, rising, those with posts held out, who have others left;
    held_out: CSR (h, posts), 1 for each post.
    """

    rest: TrainingSet
    users: NDArray[np.int64]
    held_out: csr_array

    def values(self, algorithm: Algorithm, k: int, threads: int = 1) -> NDArray[np.float64]:
        """(h,): nDCG@k of the posts held out, in lists of the algorithm, which learns from the rest here."""
        lists = fully_ranked(algorithm, self.rest, self.users, k, threads=threads).rows
        return ndcg_at_k(lists, self.held_out, k)


class Holdout(NamedTuple):
    """One fold, or several one behind the other in time."""

    folds: tuple[Fold, ...]

    @property
    def judged(self) -> int:
        """Users in folds."""
        return sum(len(fold.users) for fold in self.folds)

    def score(self, algorithm: Algorithm, k: int, threads: int = 1) -> float:
        """The mean nDCG@k over users in folds."""
        return float(np.concatenate([fold.values(algorithm, k, threads) for fold in self.folds]).mean())


def held_out(training: TrainingSet, seed: int = 0) -> Holdout:
    """Hold back what the test will ask for, as far as the training can tell.

    With times: the last fifth of the interactions in folds one behind the other, so that no list has to hold for long;
    of each, the pairs that are new then, by users who had some before, with posts that somebody had; nothing later than
    its beginning is left to learn from. Without, or where that is nobody: a fifth of each user's posts, at least one,
    drawn; a user with a single post keeps it. Raises ValueError where nobody has two.
    """
    all_of_it = training.interactions
    pairs, places = np.unique(all_of_it.users * all_of_it.post_count + all_of_it.posts, return_inverse=True)
    users = pairs // all_of_it.post_count
    if len(users) == len(np.unique(users)):
        raise ValueError("no user has two posts: there is nothing to hold out")
    folds = _folds_in_time(training, pairs, places) if training.timed else ()
    if folds:
        return Holdout(folds)
    kept_back = _drawn_of_each(users, seed)
    return Holdout((_parted(training, ~kept_back[places], pairs[kept_back]),))


def _folds_in_time(training: TrainingSet, pairs: NDArray[np.int64], places: NDArray[np.int64]) -> tuple[Fold, ...]:
    """pairs: rising, each once; places: (interactions,), which of them each is."""
    all_of_it = training.interactions
    firsts = np.full(len(pairs), np.inf)
    np.minimum.at(firsts, places, all_of_it.times)
    users, posts = np.divmod(pairs, all_of_it.post_count)
    shares = np.linspace(1 - HELD_OUT_SHARE, 1, FOLDS + 1)
    cuts = np.unique(np.quantile(all_of_it.times, shares, method="lower"))
    folds = []
    for begin, end in pairwise(cuts):
        left = all_of_it.times <= begin
        known = np.isin(users, all_of_it.users[left]) & np.isin(posts, all_of_it.posts[left])
        kept_back = known & (firsts > begin) & (firsts <= end)
        if kept_back.any():
            folds.append(_parted(training, left, pairs[kept_back]))
    return tuple(folds)


def _parted(training: TrainingSet, left: NDArray[np.bool_], kept_back: NDArray[np.int64]) -> Fold:
    """left: (interactions,), those to learn from; kept_back: numbers of pairs, rising."""
    post_count = training.interactions.post_count
    users, posts = np.divmod(kept_back, post_count)
    chosen, rows = np.unique(users, return_inverse=True)
    relevant = csr_array((np.ones(len(rows)), (rows, posts)), shape=(len(chosen), post_count))
    return Fold(TrainingSet(_up_to_now(training.interactions.where(left)), training.timed), chosen, relevant)


def _drawn_of_each(users: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """(pairs,): whether a pair is in its user's drawn fifth. users: (pairs,), rising."""
    _, firsts, places, counts = np.unique(users, return_index=True, return_inverse=True, return_counts=True)
    taken = np.where(counts > 1, np.maximum(1, np.rint(HELD_OUT_SHARE * counts)), 0)
    order = np.lexsort((np.random.default_rng(seed).random(len(users)), users))
    ranks = np.arange(len(users)) - firsts[places]
    last = np.empty(len(users), dtype=np.bool_)
    last[order] = ranks >= (counts - taken)[places]
    return last


def _up_to_now(interactions: TimedInteractions) -> TimedInteractions:
    return interactions._replace(times=interactions.times - interactions.times.max())
