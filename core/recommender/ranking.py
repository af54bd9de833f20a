"""From kernels that fill keys to ranked posts: portions of queries, threads, and the posts that were seen."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import RankedPosts
from core.recommender.inverted_index import SparseRows, check_layout, checked_matrix, sparse_rows
from core.recommender.neighbour_kernels import best_products, unpacked
from core.recommender.neighbours import in_threads
from core.recommender.reused_buffers import zeros_reused

Vote = Callable[[int, int, SparseRows, NDArray[np.float32], NDArray[np.uint64]], None]
"""vote(first, last, seen, votes, best): a kernel's work on the queries first up to last, as in `voted`."""


def ranked(vote: Vote, shape: tuple[int, int], seen: csr_array, limit: int, threads: int) -> RankedPosts:
    """The best posts for queries of this shape (q, posts), none of those seen. Raises ValueError."""
    seen_rows = checked_seen(seen, shape, limit)
    count, width = shape[0], min(limit, max(1, shape[1]))
    rows, scores = np.empty((count, width), dtype=np.int32), np.empty((count, width), dtype=np.float32)

    def rank_some(first: int, last: int) -> None:
        best = np.zeros((last - first, width), dtype=np.uint64)
        with zeros_reused("votes", shape[1]) as votes:
            vote(first, last, seen_rows, votes, best)
        rows[first:last], scores[first:last] = unpacked(best)

    in_threads(rank_some, count, threads)
    return RankedPosts(rows, scores)


def ranked_products(queries: csr_array, rows: SparseRows, seen: csr_array, limit: int, threads: int = 1) -> RankedPosts:
    """The posts with the highest sums of products of each query and the rows, none of those seen.

    queries: CSR (q, posts), finite, not negative; rows: SparseRows (posts, posts), not negative: row p is what one unit
    of post p in a query adds to the others. Raises ValueError for queries and seen posts that do not fit.
    """
    if queries.shape[1] != len(rows.starts) - 1:
        raise ValueError(f"the queries have {queries.shape[1]} columns where the model has {len(rows.starts) - 1}")
    asked = sparse_rows(checked_matrix(queries, "the queries"))

    def vote(first: int, last: int, seen: SparseRows, votes: NDArray[np.float32], best: NDArray[np.uint64]) -> None:
        best_products(first, last, *asked, *rows, seen.starts, seen.columns, votes, best)

    return ranked(vote, queries.shape, seen, limit, threads)


def kept_rows(rows: NDArray[np.int32], values: NDArray[np.float32]) -> SparseRows:
    """What was found for each row as SparseRows: those there are, with a positive value.

    rows: (n, k), int32, -1 for none; values: (n, k), float32.
    """
    kept = (rows >= 0) & (values > 0)
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(kept.sum(axis=1), dtype=np.int64)))
    return SparseRows(starts, rows[kept], values[kept].astype(np.float32))


def checked_seen(seen: csr_array, shape: tuple[int, int], limit: int) -> SparseRows:
    """The posts that each query has seen, whatever their values. Raises ValueError."""
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    check_layout(seen, "the matrix of seen posts")
    if seen.shape != shape:
        raise ValueError(f"seen posts have the shape {seen.shape}, the queries {shape}")
    return sparse_rows(seen)
