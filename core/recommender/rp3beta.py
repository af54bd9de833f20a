"""RP3β: a random walk of three steps from the user's posts, in which popular posts count less."""

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from scipy.sparse import csr_array

from core.recommender.algorithm import InteractionMatrices
from core.recommender.inverted_index import checked_matrix, inverted_index, sparse_rows
from core.recommender.linked_posts import LinkedPosts
from core.recommender.neighbours import Neighbours, finder, found_by
from core.recommender.parameters import Real, Whole, check_parameters, hours
from core.recommender.ranking import kept_rows


@dataclass(eq=False, repr=False)
class RP3Beta(LinkedPosts):
    """Scores a post j by Σ weight(query, i) · W(i, j), W(i, j) = Σ_u P(i, u)^alpha P(u, j)^alpha / degree(j)^beta.

    Paudel, Christoffel, Newell & Bernstein, Updatable, accurate, diverse and scalable recommendations for interactive
    applications, ACM TiiS 7(1), 2017. P: the probability of a step from a post to a user, or from a user to a post, in
    proportion to weights; degree: the sum of a post's weights.

    k: how many posts are kept for each. half_life, query_half_life: hours in which an interaction loses half its weight
    in the walk and in the query, 0 for none; post_half_life: hours since its first interaction in which a post loses
    half its score, 0 for none.
    """

    alpha: Annotated[float, Real(0, 3, tuned=(0.3, 2), linear=True)] = 1.0
    beta: Annotated[float, Real(0, 2, tuned=(0, 1), linear=True)] = 0.2
    k: Annotated[int, Whole(1, 1_000_000, tuned=(5, 500))] = 100
    half_life: Annotated[float, hours(tuned=(24, 10_000))] = 0.0
    query_half_life: Annotated[float, hours(tuned=(6, 10_000))] = 0.0
    post_half_life: Annotated[float, hours(tuned=(12, 10_000))] = 12.0

    @property
    def half_lives_hours(self) -> frozenset[float]:
        """That of the walk."""
        return frozenset((self.half_life,))

    def fit(self, matrices: InteractionMatrices, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Walk from every post. Raises ValueError."""
        check_parameters(self)
        matrix = checked_matrix(matrices.under(self.half_life), "the user-item matrix")
        found = self._walks(matrix)
        fading = matrices.post_fading(self.post_half_life)
        self.links_ = kept_rows(found.rows, found.similarities * fading[found.rows])
        return self

    def _walks(self, matrix: csr_array) -> Neighbours:
        """For each post the k with the highest W, itself left out."""
        posts = csr_array(matrix.T.tocsr())
        degrees = np.asarray(posts.sum(axis=1), dtype=np.float64)
        to_users = _steps(posts, self.alpha)
        to_posts = csr_array(_steps(matrix, self.alpha).T.tocsr())
        damping = np.power(np.where(degrees > 0, degrees, 1), -self.beta)
        to_posts.data = (to_posts.data * np.repeat(damping, np.diff(to_posts.indptr))).astype(np.float32)
        count = posts.shape[0]
        own_rows, width = np.arange(count, dtype=np.int64), min(self.k, max(1, count))
        find = finder(sparse_rows(to_users), inverted_index(to_posts), width, own_rows)
        return found_by(find, count, width, threads=1)


def _steps(matrix: csr_array, alpha: float) -> csr_array:
    """Transition probabilities of each row, to the power of alpha, float32."""
    sums = np.asarray(matrix.sum(axis=1), dtype=np.float64)
    probabilities = matrix.data / np.repeat(sums, np.diff(matrix.indptr))
    values = np.power(probabilities, alpha).astype(np.float32)
    return csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)
