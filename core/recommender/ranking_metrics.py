"""How good ranked lists are, judged by posts known to be relevant, and how much of the catalogue they show.

recommended: shape (q, width), integers, rows of posts, best first, each at most once in a
list, -1 where a list is shorter; only the first k count. All raise ValueError for arguments that are not such.

nDCG, precision, recall, hit and reciprocal rank take the same arguments. relevant: CSR (q, posts), the gains of each
user's relevant posts, not negative; an entry of 0 is not relevant. They give shape (q,), float64, in [0, 1], the higher
the better, and NaN for users without relevant posts: these cannot be judged, and `np.nanmean` leaves the same ones out
of every metric.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


def ndcg_at_k(recommended: NDArray[np.integer[Any]], relevant: csr_array, k: int) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain: Σ gain / log2(1 + rank), as a share of the best list's.

    Järvelin & Kekäläinen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002, with linear gains;
    the discount is that of Burges et al., Learning to rank using gradient descent, ICML 2005, which counts from rank 1.
    1 for a list that begins with the min(k, relevant) posts of the highest gains, in that order; 0 where none of the
    first k is relevant.
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gained = (_gains(recommended, relevant, k) * discounts).sum(axis=1)
    best = (_best_gains(relevant, k) * discounts).sum(axis=1)
    # Rounding may lift a share above 1.
    return np.minimum(_shares(gained, best), 1)


def precision_at_k(recommended: NDArray[np.integer[Any]], relevant: csr_array, k: int) -> NDArray[np.float64]:
    """The relevant ones among the first k, as a share of k, also where the list or the relevant posts are fewer."""
    hits = _hits(recommended, relevant, k)
    return _shares(hits, np.where(_relevant_counts(relevant) > 0, k, 0))


def recall_at_k(recommended: NDArray[np.integer[Any]], relevant: csr_array, k: int) -> NDArray[np.float64]:
    """The relevant ones among the first k, as a share of all relevant posts: below 1 where these are more than k."""
    return _shares(_hits(recommended, relevant, k), _relevant_counts(relevant))


def hit_at_k(recommended: NDArray[np.integer[Any]], relevant: csr_array, k: int) -> NDArray[np.float64]:
    """1 where any of the first k is relevant, else 0; its mean over users is the hit rate."""
    return np.minimum(_hits(recommended, relevant, k), np.where(_relevant_counts(relevant) > 0, 1, np.nan))


def reciprocal_rank_at_k(recommended: NDArray[np.integer[Any]], relevant: csr_array, k: int) -> NDArray[np.float64]:
    """1 / rank of the first relevant one among the first k, 0 where there is none; its mean over users is the MRR.

    Voorhees, The TREC-8 question answering track report, 1999.
    """
    relevant_at = _gains(recommended, relevant, k) > 0
    firsts = np.where(relevant_at.any(axis=1), 1 / (1 + relevant_at.argmax(axis=1)), 0)
    return np.where(_relevant_counts(relevant) > 0, firsts, np.nan)


def catalogue_coverage(recommended: NDArray[np.integer[Any]], post_count: int, k: int) -> float:
    """The posts that are among the first k of any list, as a share of all `post_count`, which is at least 1.

    Ge, Delgado-Battenfeld & Jannach, Beyond accuracy: evaluating recommender systems by coverage and serendipity,
    RecSys 2010.
    """
    _check_lists(recommended, post_count, k)
    first = recommended[:, :k]
    return len(np.unique(first[first >= 0])) / post_count


def novelty_at_k(
    recommended: NDArray[np.integer[Any]], user_shares: NDArray[np.float64], k: int
) -> NDArray[np.float64]:
    """(q,), bits: the mean self-information -log2(share) of the first k; NaN where a list is empty.

    user_shares: (posts,), which part of all users has each post in training, in (0, 1] for all that are recommended.
    Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, PNAS 107(10), 2010; Castells,
    Hurley & Vargas, Novelty and diversity in recommender systems, Recommender Systems Handbook, 2015.
    """
    _check_lists(recommended, len(user_shares), k)
    first = recommended[:, :k]
    there = first >= 0
    shares = np.where(there, np.append(user_shares, 1)[first], 1)
    if not ((shares > 0) & (shares <= 1)).all():
        raise ValueError("the shares of users who have a recommended post must be above 0 and at most 1")
    return _shares(-np.log2(shares).sum(axis=1), there.sum(axis=1))


def _hits(recommended: NDArray[np.integer[Any]], relevant: csr_array, k: int) -> NDArray[np.int64]:
    hits: NDArray[np.int64] = (_gains(recommended, relevant, k) > 0).sum(axis=1)
    return hits


def _gains(recommended: NDArray[np.integer[Any]], relevant: csr_array, k: int) -> NDArray[np.float64]:
    """(q, k): the gain of each of the first k posts, 0 for those not relevant and where the list is shorter."""
    _check(recommended, relevant, k)
    gains = np.zeros((relevant.shape[0], k))
    posts = recommended[:, :k]
    users, ranks = np.nonzero(posts >= 0)
    if len(users):
        gains[users, ranks] = np.asarray(relevant[users, posts[users, ranks]]).ravel()
    return gains


def _best_gains(relevant: csr_array, k: int) -> NDArray[np.float64]:
    """(q, k): each user's highest gains, falling, 0 where there are fewer than k."""
    relevant = _each_post_once(relevant)
    users = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    falling = np.lexsort((-relevant.data, users))
    ranks = np.arange(relevant.nnz) - relevant.indptr[users]
    best = np.zeros((relevant.shape[0], k))
    best[users[ranks < k], ranks[ranks < k]] = relevant.data[falling][ranks < k]
    return best


def _relevant_counts(relevant: csr_array) -> NDArray[np.int64]:
    once = _each_post_once(relevant)
    users = np.repeat(np.arange(once.shape[0]), np.diff(once.indptr))
    counts: NDArray[np.int64] = np.bincount(users[once.data > 0], minlength=once.shape[0])
    return counts


def _each_post_once(relevant: csr_array) -> csr_array:
    if relevant.has_canonical_format:
        return relevant
    summed = relevant.copy()
    summed.sum_duplicates()
    return summed


def _shares(parts: NDArray[Any], wholes: NDArray[Any]) -> NDArray[np.float64]:
    """Parts by wholes, NaN where the whole is 0."""
    shares: NDArray[np.float64] = np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)
    return shares


def _check(recommended: NDArray[np.integer[Any]], relevant: csr_array, k: int) -> None:
    if recommended.ndim != 2 or len(recommended) != relevant.shape[0]:
        raise ValueError(f"lists of the shape {recommended.shape} cannot be judged by {relevant.shape[0]} users' posts")
    _check_lists(recommended, relevant.shape[1], k)
    if not (np.isfinite(relevant.data).all() and (relevant.data >= 0).all()):
        raise ValueError("gains must be finite and not negative")


def _check_lists(recommended: NDArray[np.integer[Any]], post_count: int, k: int) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if recommended.size and recommended.max() >= post_count:
        raise ValueError(f"row {recommended.max()} is recommended where there are {post_count} posts")
    ordered = np.sort(recommended[:, :k], axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("a list recommends a post twice")
