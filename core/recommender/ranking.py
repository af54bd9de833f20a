"""From kernels that fill keys to ranked posts: portions of queries, threads, and the posts that were seen."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import RankedPosts
from core.recommender.inverted_index import SparseRows, check_layout, checked_matrix, sparse_rows
from core.recommender.neighbour_kernels import best_products, unpacked
from core.recommender.neighbours import Keys, in_threads
from core.recommender.reused_buffers import zeros_reused

Blocked = NDArray[np.bool_] | None
"""(posts,): which posts nobody is to be recommended; None for none."""


class Barred(NamedTuple):
    """What must not be recommended, as kernels take it.

    seen_starts: (q + 1,), int64, and seen_posts, int32: the posts that each query has seen, as in SparseRows; blocked:
    (posts,), bool, those that nobody is to see, (0,) for none.
    """

    seen_starts: NDArray[np.int64]
    seen_posts: NDArray[np.int32]
    blocked: NDArray[np.bool_]


Votes = NDArray[np.float32]
Vote = Callable[[int, int, Barred, Votes, Keys], None]
"""vote(first, last, barred, votes, best): a kernel's work on the queries first up to last, as in `voted`."""


def ranked(  # noqa: PLR0917 - what `recommend` is given, and the kernel
    vote: Vote, shape: tuple[int, int], seen: csr_array, limit: int, threads: int, blocked: Blocked = None
) -> RankedPosts:
    """The best posts for queries of this shape (q, posts), none of those seen or blocked. Raises ValueError."""
    barred = checked_barred(seen, blocked, shape, limit)
    count, width = shape[0], min(limit, max(1, shape[1]))
    rows, scores = np.empty((count, width), dtype=np.int32), np.empty((count, width), dtype=np.float32)

    def rank_some(first: int, last: int) -> None:
        best = np.zeros((last - first, width), dtype=np.uint64)
        with zeros_reused("votes", shape[1]) as votes:
            vote(first, last, barred, votes, best)
        rows[first:last], scores[first:last] = unpacked(best, width)

    in_threads(rank_some, count, threads)
    return RankedPosts(rows, scores)


def ranked_products(  # noqa: PLR0917 - what `recommend` is given, and the rows
    queries: csr_array, rows: SparseRows, seen: csr_array, limit: int, threads: int = 1, blocked: Blocked = None
) -> RankedPosts:
    """The posts with the highest sums of products of each query and the rows, none of those seen or blocked.

    queries: CSR (q, posts), finite, not negative; rows: SparseRows (posts, posts), not negative: row p is what one unit
    of post p in a query adds to the others. Raises ValueError for queries and seen posts that do not fit.
    """
    if queries.shape[1] != len(rows.starts) - 1:
        raise ValueError(f"the queries have {queries.shape[1]} columns where the model has {len(rows.starts) - 1}")
    asked = sparse_rows(checked_matrix(queries, "the queries"))

    def vote(first: int, last: int, barred: Barred, votes: Votes, best: Keys) -> None:
        best_products(first, last, *asked, *rows, *barred, votes, best)

    return ranked(vote, queries.shape, seen, limit, threads, blocked)


def kept_rows(rows: NDArray[np.int32], values: NDArray[np.float32]) -> SparseRows:
    """What was found for each row as SparseRows: those there are, with a positive value.

    rows: (n, k), int32, -1 for none; values: (n, k), float32.
    """
    kept = (rows >= 0) & (values > 0)
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(kept.sum(axis=1), dtype=np.int64)))
    return SparseRows(starts, rows[kept], values[kept].astype(np.float32))


def checked_barred(seen: csr_array, blocked: Blocked, shape: tuple[int, int], limit: int) -> Barred:
    """The posts that each query has seen, whatever their values, and those that are blocked. Raises ValueError."""
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    check_layout(seen, "the matrix of seen posts")
    if seen.shape != shape:
        raise ValueError(f"seen posts have the shape {seen.shape}, the queries {shape}")
    starts, posts, _ = sparse_rows(seen)
    return Barred(starts, posts, _checked_mask(blocked, shape[1]))


def _checked_mask(blocked: Blocked, posts: int) -> NDArray[np.bool_]:
    if blocked is None:
        return np.empty(0, dtype=np.bool_)
    if blocked.shape != (posts,) or blocked.dtype != np.bool_:
        raise ValueError(f"blocked posts must be bool of the shape ({posts},), not {blocked.dtype} of {blocked.shape}")
    return np.ascontiguousarray(blocked)
