"""The k most similar users: the one place where all users meet all users."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class Neighbours(NamedTuple):
    """The neighbours of one query, the most similar first, ties by row.

    rows: shape (m,), int64, m <= k; similarities: shape (m,), float32, cosines in (0, 1].
    """

    rows: NDArray[np.int64]
    similarities: NDArray[np.float32]


def top_neighbours(queries: csr_array, users: csr_array, k: int, excluded_rows: NDArray[np.int64]) -> list[Neighbours]:
    """The k users with the highest cosine to each query, those with a positive one only.

    queries: (q, posts) and users: (n, posts), both with rows of length 1; excluded_rows: (q,), the row of `users` that
    is the query's own, -1 for none. Each query's answer is the same whatever other queries are asked with it.
    """
    return [
        _neighbours(queries[[place]].toarray()[0], users, k, excluded_row)
        for place, excluded_row in enumerate(excluded_rows)
    ]


def top_ranked(rows: NDArray[np.int64], values: NDArray[np.float32], limit: int) -> NDArray[np.int64]:
    """Positions of the `limit` highest values, the highest first, ties by row. rows, values: shape (n,)."""
    if len(values) > limit:
        threshold = np.partition(values, len(values) - limit)[len(values) - limit]
        candidates = np.flatnonzero(values >= threshold)
    else:
        candidates = np.arange(len(values))
    order = np.lexsort((rows[candidates], -values[candidates]))[:limit]
    best: NDArray[np.int64] = candidates[order]
    return best


def _neighbours(query: NDArray[np.float32], users: csr_array, k: int, excluded_row: np.int64) -> Neighbours:
    """The users' matrix is walked as it lies: turned round it would be copied for every query."""
    similarities = users @ query
    if excluded_row >= 0:
        similarities[excluded_row] = 0
    rows = np.flatnonzero(similarities > 0)
    best = rows[top_ranked(rows, similarities[rows], k)]
    return Neighbours(best.astype(np.int64), np.minimum(similarities[best], np.float32(1)))
