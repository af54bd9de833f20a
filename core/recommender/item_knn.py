"""Item-based k nearest neighbours: posts that the same users liked as those of the history."""

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from scipy.sparse import csr_array

from core.recommender.algorithm import InteractionMatrices
from core.recommender.inverted_index import checked_matrix, inverted_index
from core.recommender.linked_posts import LinkedPosts
from core.recommender.neighbours import top_neighbours
from core.recommender.normalisation import shrunk_rows
from core.recommender.parameters import Real, Whole, check_parameters, hours
from core.recommender.ranking import kept_rows


@dataclass(eq=False, repr=False)
class ItemKNN(LinkedPosts):
    """Scores a post j by Σ weight(query, i) · similarity(i, j) over the posts i of the query that have j among their k.

    Sarwar et al., Item-based collaborative filtering, WWW 2001; the cosine is that of posts' columns, divided by
    (|i| + shrinkage) (|j| + shrinkage) instead of the lengths alone.

    k: neighbours of a post. similarity_half_life, query_half_life: hours in which an interaction loses half its weight
    in the similarity and in the query, 0 for none; post_half_life: hours since its first interaction in which a post
    loses half its score, 0 for none.
    """

    k: Annotated[int, Whole(1, 1_000_000, tuned=(5, 500))] = 100
    shrinkage: Annotated[float, Real(0, 1_000_000, tuned=(0.01, 20))] = 0.0
    similarity_half_life: Annotated[float, hours(tuned=(24, 10_000))] = 0.0
    query_half_life: Annotated[float, hours(tuned=(6, 10_000))] = 0.0
    post_half_life: Annotated[float, hours(tuned=(12, 10_000))] = 12.0

    @property
    def half_lives_hours(self) -> frozenset[float]:
        """That of similarities."""
        return frozenset((self.similarity_half_life,))

    def fit(self, matrices: InteractionMatrices, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Find each post's neighbours. Raises ValueError."""
        check_parameters(self)
        matrix = checked_matrix(matrices.under(self.similarity_half_life), "the user-item matrix")
        posts = shrunk_rows(csr_array(matrix.T.tocsr()), self.shrinkage)
        found = top_neighbours(posts, inverted_index(posts), self.k, np.arange(posts.shape[0], dtype=np.int64))
        fading = matrices.post_fading(self.post_half_life)
        self.links_ = kept_rows(found.rows, found.similarities * fading[found.rows])
        return self
