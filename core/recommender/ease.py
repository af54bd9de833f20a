"""EASE: the linear model that predicts each post from all others best, in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import csr_array

from core.recommender.algorithm import Contributions, InteractionMatrices, RankedPosts
from core.recommender.inverted_index import checked_matrix
from core.recommender.linked_posts import contributions_of_posts
from core.recommender.neighbours import in_threads
from core.recommender.parameters import Parameterised, Real, check_parameters, hours
from core.recommender.ranking import Blocked, checked_barred

MOST_POSTS = 20_000
"""The inverse of 20,000 x 20,000 takes 3.2 GB, as much again while it is made, and minutes."""

BYTES_PER_CELL = 20
"""Two of float64 at a time, and what is kept in float32."""

_AT_ONCE = 64


@dataclass(eq=False, repr=False)
class EASE(Parameterised):
    """Scores posts by query · B, where B minimises |X - X B|² + l2 |B|² with zeros on its diagonal.

    Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019: with P = (XᵀX + l2 I)⁻¹, B(i, j) is
    -P(i, j) / P(j, j). Refuses more than MOST_POSTS posts.

    half_life, query_half_life: hours in which an interaction loses half its weight in X and in the query, 0 for none;
    post_half_life: hours since its first interaction in which a post loses half its score, 0 for none.

    Learned: `weights_`, (posts, posts), float32, row by row in memory: B, faded by posts' ages.
    """

    l2: Annotated[float, Real(1e-6, 1e9, tuned=(0.1, 5000))] = 100.0
    half_life: Annotated[float, hours(tuned=(24, 10_000))] = 0.0
    query_half_life: Annotated[float, hours(tuned=(6, 10_000))] = 0.0
    post_half_life: Annotated[float, hours(tuned=(12, 10_000))] = 12.0

    @property
    def half_lives_hours(self) -> frozenset[float]:
        """That of the training matrix."""
        return frozenset((self.half_life,))

    @property
    def query_half_life_hours(self) -> float:
        """That of queries."""
        return self.query_half_life

    def learning_bytes(self, posts: int) -> int:
        """Dense matrices of all posts by all posts."""
        return BYTES_PER_CELL * posts * posts

    def fit(self, matrices: InteractionMatrices, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Solve. Raises ValueError, also for more posts than can be."""
        check_parameters(self)
        matrix = checked_matrix(matrices.under(self.half_life), "the user-item matrix").astype(np.float64)
        posts = matrix.shape[1]
        if posts > MOST_POSTS:
            raise ValueError(f"ease takes at most {MOST_POSTS:,} posts, not {posts:,}: use user_knn or item_knn")
        weights = self._inverse(matrix)
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0)
        weights *= matrices.post_fading(self.post_half_life)
        self.weights_ = weights.astype(np.float32, order="C")
        return self

    def recommend(  # noqa: PLR0917 - see Algorithm
        self,
        queries: csr_array,
        own_rows: NDArray[np.int64],  # noqa: ARG002 - users are not compared
        seen: csr_array,
        limit: int,
        threads: int = 1,
        blocked: Blocked = None,
    ) -> RankedPosts:
        """The `limit` best posts for each query, none of those it has seen; see Algorithm."""
        asked, posts = checked_matrix(queries, "the queries"), len(self.weights_)
        if asked.shape[1] != posts:
            raise ValueError(f"the queries have {asked.shape[1]} columns where the model has {posts}")
        seen_starts, seen_posts, hidden = checked_barred(seen, blocked, asked.shape, limit)
        count, width = asked.shape[0], min(limit, max(1, posts))
        rows, scores = np.full((count, width), -1, dtype=np.int32), np.zeros((count, width), dtype=np.float32)

        def recommend_some(first: int, last: int) -> None:
            for start in range(first, last, _AT_ONCE):
                end = min(last, start + _AT_ONCE)
                # A sparse product sums in the order of the query's posts: the same bits whatever is asked with it.
                products = asked[start:end] @ self.weights_
                products[:, np.flatnonzero(hidden)] = 0
                for query in range(start, end):
                    own = products[query - start]
                    own[seen_posts[seen_starts[query] : seen_starts[query + 1]]] = 0
                    best = _best(own, width)
                    rows[query, : len(best)], scores[query, : len(best)] = best, own[best]

        in_threads(recommend_some, count, threads)
        return RankedPosts(rows, scores)

    def contributions(self, query: csr_array, own_row: int, post: int) -> Contributions:  # noqa: ARG002 - as above
        """The posts of the query that tell something of the post; see Algorithm."""
        return contributions_of_posts(query, self.weights_[:, post])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, as numeric arrays by name."""
        return {"weights": self.weights_}

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Self:  # noqa: ARG002 - users do not count
        """This algorithm on these very arrays."""
        check_parameters(self)
        if arrays["weights"].shape != (posts, posts) or arrays["weights"].dtype != np.float32:
            raise ValueError(f"its weights must be float32 of the shape {(posts, posts)}")
        # A sparse product copies all of a matrix that lies column by column, for every few queries anew.
        self.weights_ = np.ascontiguousarray(arrays["weights"])
        return self

    def _inverse(self, matrix: csr_array) -> NDArray[np.float64]:
        """(posts, posts): P, in the columnwise order in which LAPACK works in place."""
        posts = matrix.shape[1]
        gram = (matrix.T @ matrix).toarray(order="F")
        gram[np.diag_indices(posts)] += self.l2
        try:
            factor = cho_factor(gram, overwrite_a=True)
        except LinAlgError as error:
            raise ValueError(f"l2={self.l2:g} is too small beside these weights: raise it") from error
        inverse: NDArray[np.float64] = cho_solve(factor, np.eye(posts, order="F"), overwrite_b=True)
        return inverse


def _best(scores: NDArray[np.float32], width: int) -> NDArray[np.int64]:
    """The rows of the highest positive scores, ties by row."""
    if width < len(scores):
        least = -np.partition(-scores, width - 1)[width - 1]
        candidates = np.flatnonzero((scores >= least) & (scores > 0))
    else:
        candidates = np.flatnonzero(scores > 0)
    best: NDArray[np.int64] = candidates[np.argsort(-scores[candidates], kind="stable")][:width]
    return best
