"""User-based k nearest neighbours: what similar users liked, weighted by how similar they are."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

from core.recommender.inverted_index import (
    InvertedIndex,
    SparseRows,
    check_index,
    check_rows,
    checked_matrix,
    inverted_index,
    sparse_rows,
)
from core.recommender.neighbour_kernels import unpacked, voted
from core.recommender.neighbours import Budget, Find, Neighbours, check_queries, finder, found_by, in_threads
from core.recommender.normalisation import l2_normalised
from core.recommender.reused_buffers import zeros_reused

BOUNDED_ADDITIONS = 8_000
"""A budget with which feeds lost nothing in nDCG@10 among very many users, in small communities and in large ones."""


MOST_ADDITIONS = 2**31 - 1
"""More would be no bound: no query has so many."""


class RankedPosts(NamedTuple):
    """The posts for q queries, best first, ties by row; -1 and 0 where there are fewer than the limit.

    rows: shape (q, limit), int32, positions in the model's posts; scores: shape (q, limit), float32, positive. The
    limit is no more than all posts.
    """

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]


class UserKNN(BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Scores a post by Σ cosine(query, v) · weight(v, post) over the query's n_neighbors most similar users v.

    Resnick et al., GroupLens, CSCW 1994, without mean centring: implicit feedback has no ratings to centre.

    n_neighbors: at least 1. additions: 0 finds the exact neighbours; a higher number bounds the work for one query to
    that many additions: the cosine is then taken over the posts of the history that the fewest users have.

    Learned: `weights_`, SparseRows (users, posts), the saturated weights the neighbours vote with; `index_`, the lists
    of its rows brought to length 1.
    """

    def __init__(self, n_neighbors: int = 50, additions: int = 0) -> None:
        self.n_neighbors = n_neighbors
        self.additions = additions

    def fit(self, matrix: csr_array, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn from the user-item matrix: CSR (users, posts), weights not negative. Raises ValueError."""
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors must be at least 1, not {self.n_neighbors}")
        if not 0 <= self.additions <= MOST_ADDITIONS:
            raise ValueError(f"additions must be from 0 to {MOST_ADDITIONS:,}, not {self.additions}")
        checked = checked_matrix(matrix, "the user-item matrix")
        if float(checked.data.max(initial=0)) * self.n_neighbors > float(np.finfo(np.float32).max):
            raise ValueError(f"weights up to {checked.data.max():.3g} are too large: votes would not stay finite")
        self.weights_ = sparse_rows(checked)
        self.index_ = inverted_index(l2_normalised(checked))
        self._list_lengths = self.index_.list_lengths
        return self

    def kneighbors(self, queries: csr_array, own_rows: NDArray[np.int64], threads: int = 1) -> Neighbours:
        """The most similar users to each query; a user's own trained row (-1 for none) is never among them."""
        return found_by(self._finder(queries, own_rows), queries.shape[0], self._neighbour_count, threads)

    def recommend(
        self, queries: csr_array, own_rows: NDArray[np.int64], seen: csr_array, limit: int, threads: int = 1
    ) -> RankedPosts:
        """The `limit` best posts for each query, none of those it has seen.

        queries: CSR (q, posts), weights of each user's live history; own_rows: (q,), the user's row in the model or -1;
        seen: CSR (q, posts) whose entries, whatever their values, are the posts that must not be recommended. Each
        query's answer is the same to the bit whatever is asked with it, and with any number of threads.
        """
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        if seen.shape != queries.shape:
            raise ValueError(f"seen posts have the shape {seen.shape}, the queries {queries.shape}")
        seen_starts, seen_posts, _ = sparse_rows(seen)
        seen.check_format(full_check=True)
        count, width = queries.shape[0], min(limit, max(1, queries.shape[1]))
        rows, scores = np.empty((count, width), dtype=np.int32), np.empty((count, width), dtype=np.float32)
        find = self._finder(queries, own_rows)

        def recommend_some(first: int, last: int) -> None:
            best = np.zeros((last - first, width), dtype=np.uint64)
            with zeros_reused("votes", queries.shape[1]) as votes:
                voted(first, last, *find(first, last), *self.weights_, seen_starts, seen_posts, votes, best)
            rows[first:last], scores[first:last] = unpacked(best)

        in_threads(recommend_some, count, threads)
        return RankedPosts(rows, scores)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Parameters and everything learned, as numeric arrays by name."""
        index = self.index_._asdict()
        sizes = {name: np.array([index.pop(name)]) for name in ("row_count", "block_rows")}
        parameters = {name: np.array([value]) for name, value in self.get_params().items()}
        return (
            {**self.weights_._asdict(), **{f"index_{name}": array for name, array in index.items()}}
            | sizes
            | parameters
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Self:
        """The algorithm again, on these very arrays. Raises KeyError or ValueError for what cannot be such a one."""
        algorithm = cls(n_neighbors=int(arrays["n_neighbors"][0]), additions=int(arrays["additions"][0]))
        algorithm.weights_ = SparseRows(*(arrays[name] for name in SparseRows._fields))
        algorithm.index_ = InvertedIndex(
            arrays["index_starts"], arrays["index_local_rows"], arrays["index_values"],
            int(arrays["row_count"][0]), int(arrays["block_rows"][0]),
        )  # fmt: skip
        check_rows(algorithm.weights_, users, posts)
        check_index(algorithm.index_, users, posts)
        algorithm._list_lengths = algorithm.index_.list_lengths
        return algorithm

    @property
    def _neighbour_count(self) -> int:
        return min(self.n_neighbors, max(1, self.index_.row_count))

    def _finder(self, queries: csr_array, own_rows: NDArray[np.int64]) -> Find:
        normalised = l2_normalised(checked_matrix(queries, "the queries"))
        check_queries(normalised, self.index_, self.n_neighbors, own_rows)
        asked = sparse_rows(normalised)
        return finder(asked, self.index_, self._neighbour_count, own_rows, self._budget)

    @property
    def _budget(self) -> Budget | None:
        return Budget(self.additions, self._list_lengths) if self.additions else None
