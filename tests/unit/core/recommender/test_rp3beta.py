"""RP3β against the plain formula."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from core.recommender.algorithm import InteractionMatrices
from core.recommender.rp3beta import RP3Beta


def dense_scores(matrix: csr_array, model: RP3Beta) -> np.ndarray:
    """(users, posts): the definition with dense arrays."""
    dense = matrix.toarray().astype(np.float64)
    degrees = dense.sum(axis=0)
    to_posts = dense / np.maximum(dense.sum(axis=1, keepdims=True), 1e-12)
    to_users = dense.T / np.maximum(degrees[:, None], 1e-12)
    powered = (np.where(part > 0, part**model.alpha, 0) for part in (to_users, to_posts))
    walks = np.linalg.multi_dot(list(powered)) / np.maximum(degrees, 1e-12) ** model.beta
    np.fill_diagonal(walks, 0)
    kth = np.sort(walks, axis=1)[:, ::-1][:, min(model.k, len(walks)) - 1]
    scores: np.ndarray = dense @ np.where(walks >= kth[:, None], walks, 0)
    scores[dense > 0] = 0
    return scores


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.5, 0.9), (1.7, 0.4)])
@pytest.mark.parametrize("k", [1, 6, 100])
def test_scores_are_those_of_the_formula(k: int, alpha: float, beta: float) -> None:
    matrix = csr_array(random_array((50, 30), density=0.2, rng=4, dtype=np.float32))
    model = RP3Beta(alpha=alpha, beta=beta, k=k, post_half_life=0)

    ranked = model.fit(InteractionMatrices.timeless(matrix)).recommend(matrix, np.arange(50), matrix, 30)

    scores = np.zeros((50, 30))
    users, ranks = np.nonzero(ranked.rows >= 0)
    scores[users, ranked.rows[users, ranks]] = ranked.scores[users, ranks]
    np.testing.assert_allclose(scores, dense_scores(matrix, model), rtol=1e-3, atol=1e-4)


def test_products_above_one_are_not_cut_off() -> None:
    matrix = csr_array(np.full((3, 3), 0.01, dtype=np.float32))

    model = RP3Beta(beta=1).fit(InteractionMatrices.timeless(matrix))

    assert model.links_.values.max() > 1
