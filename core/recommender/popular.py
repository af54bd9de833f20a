"""The most popular posts, the same for everyone but for what each has seen: the baseline that has to be beaten."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import Contributions, InteractionMatrices, RankedPosts
from core.recommender.inverted_index import check_layout, checked_matrix
from core.recommender.neighbours import in_threads
from core.recommender.parameters import Parameterised, check_parameters, hours
from core.recommender.ranking import Blocked, checked_barred

MOST_WEIGHT = float(np.finfo(np.float32).max)


@dataclass(eq=False, repr=False)
class Popular(Parameterised):
    """Scores a post by the sum of all users' saturated weights.

    half_life: hours in which an interaction loses half its weight, 0 for none; post_half_life: hours since its first
    interaction in which a post loses half its score, 0 for none.

    Learned: `order_`, (p,), int32, the posts with a positive score, best first, ties by row; `scores_`, (p,), float32,
    theirs; `post_count_`.
    """

    half_life: Annotated[float, hours(tuned=(1, 10_000))] = 12.0
    post_half_life: Annotated[float, hours(tuned=(12, 10_000))] = 0.0

    @property
    def half_lives_hours(self) -> frozenset[float]:
        """The only one."""
        return frozenset((self.half_life,))

    @property
    def query_half_life_hours(self) -> float:
        """Histories do not count."""
        return 0.0

    def learning_bytes(self, posts: int) -> int:  # noqa: ARG002 - see Algorithm
        """Nothing worth mentioning."""
        return 0

    def fit(self, matrices: InteractionMatrices, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Count. Raises ValueError."""
        check_parameters(self)
        matrix = checked_matrix(matrices.under(self.half_life), "the user-item matrix")
        counted = np.bincount(matrix.indices, weights=matrix.data, minlength=matrix.shape[1])
        scores = counted * matrices.post_fading(self.post_half_life)
        if scores.max(initial=0) > MOST_WEIGHT:
            raise ValueError("the weights are too large: scores would not stay finite")
        self._keep(scores.astype(np.float32))
        return self

    def recommend(  # noqa: PLR0917 - see Algorithm
        self,
        queries: csr_array,
        own_rows: NDArray[np.int64],  # noqa: ARG002 - the same for everyone
        seen: csr_array,
        limit: int,
        threads: int = 1,
        blocked: Blocked = None,
    ) -> RankedPosts:
        """The `limit` best posts for each query, none of those it has seen; see Algorithm."""
        check_layout(queries, "the queries")
        if queries.shape[1] != self.post_count_:
            raise ValueError(f"the queries have {queries.shape[1]} columns where the model has {self.post_count_}")
        starts, posts, hidden = checked_barred(seen, blocked, queries.shape, limit)
        shown = ~hidden[self.order_] if len(hidden) else np.ones(len(self.order_), dtype=np.bool_)
        order, by_order = self.order_[shown], self.scores_[shown]
        count, width = queries.shape[0], min(limit, max(1, self.post_count_))
        rows, scores = np.full((count, width), -1, dtype=np.int32), np.zeros((count, width), dtype=np.float32)
        ranks = np.full(self.post_count_, len(order))
        ranks[order] = np.arange(len(order))

        def recommend_some(first: int, last: int) -> None:
            for query in range(first, last):
                seen_ranks = ranks[posts[starts[query] : starts[query + 1]]]
                # No more than so many of the first are out.
                best = np.ones(min(len(order), width + len(seen_ranks)), dtype=np.bool_)
                best[seen_ranks[seen_ranks < len(best)]] = False
                places = np.flatnonzero(best)[:width]
                rows[query, : len(places)], scores[query, : len(places)] = order[places], by_order[places]

        in_threads(recommend_some, count, threads)
        return RankedPosts(rows, scores)

    def contributions(self, query: csr_array, own_row: int, post: int) -> Contributions:  # noqa: ARG002 - as above
        """The post itself, as popular as it is; see Algorithm."""
        score = self.scores_[self.order_ == post].astype(np.float64)
        return Contributions(of_users=False, rows=np.full(len(score), post), strengths=np.ones(len(score)), votes=score)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, as numeric arrays by name."""
        return {"order": self.order_, "scores": self.scores_}

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Self:  # noqa: ARG002 - users do not count
        """This algorithm on these very arrays."""
        check_parameters(self)
        order, scores = arrays["order"], arrays["scores"]
        fits = order.shape == scores.shape == (len(order),) and len(np.unique(order)) == len(order) <= posts
        fits = fits and order.dtype == np.int32 and scores.dtype == np.float32
        if not fits or (len(order) and not 0 <= order.min() <= order.max() < posts):
            raise ValueError("its order and scores do not fit together")
        self.order_, self.scores_, self.post_count_ = order, scores, posts
        return self

    def _keep(self, scores: NDArray[np.float32]) -> None:
        order = np.argsort(-scores, kind="stable")
        self.order_ = order[scores[order] > 0].astype(np.int32)
        self.scores_, self.post_count_ = scores[self.order_], len(scores)
