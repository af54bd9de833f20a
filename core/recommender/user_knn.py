"""User-based k nearest neighbours: what similar users liked, weighted by how similar they are."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

from core.recommender.interaction_matrix import l2_normalised
from core.recommender.neighbours import Neighbours, top_neighbours, top_ranked


class RankedPosts(NamedTuple):
    """One query's posts, best first, ties by row.

    rows: shape (m,), int64, positions in the model's posts; scores: shape (m,), float32, positive.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class UserKNN(BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Scores a post by Σ cosine(query, v) · weight(v, post) over the query's n_neighbors most similar users v.

    Resnick et al., GroupLens, CSCW 1994, without mean centring: implicit feedback has no ratings to centre.

    Learned: `weights_`, CSR (users, posts), float32, the saturated weights the neighbours vote with;
    `normalised_`, the same with rows of Euclidean length 1, on the same index arrays.
    """

    def __init__(self, n_neighbors: int = 50) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, matrix: csr_array, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn from the user-item matrix: CSR (users, posts), positive weights. Raises ValueError."""
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors must be at least 1, not {self.n_neighbors}")
        if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
            raise ValueError("the user-item matrix must hold finite weights that are not negative")
        self.weights_ = matrix
        self.normalised_ = l2_normalised(matrix)
        return self

    def kneighbors(self, queries: csr_array, own_rows: NDArray[np.int64]) -> list[Neighbours]:
        """The most similar users to each query; a user's own trained row (-1 for none) is never among them."""
        return top_neighbours(l2_normalised(queries), self.normalised_, self.n_neighbors, own_rows)

    def recommend(
        self, queries: csr_array, own_rows: NDArray[np.int64], seen: list[NDArray[np.int64]], limit: int
    ) -> list[RankedPosts]:
        """The `limit` best posts for each query, none of those it has seen.

        queries: CSR (q, posts), weights of each user's live history; own_rows: (q,), the user's row in the model or -1;
        seen: q arrays of post rows that must not be recommended.
        """
        found = self.kneighbors(queries, own_rows)
        return [self._voted(neighbours, seen[query], limit) for query, neighbours in enumerate(found)]

    def _voted(self, neighbours: Neighbours, seen: NDArray[np.int64], limit: int) -> RankedPosts:
        votes = (neighbours.similarities @ self.weights_[neighbours.rows]).astype(np.float32)
        votes[seen] = 0
        rows = np.flatnonzero(votes)
        best = rows[top_ranked(rows, votes[rows], limit)]
        return RankedPosts(best, votes[best])
