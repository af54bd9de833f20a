"""Item-based kNN against the plain formula and an answer known by construction."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from core.recommender.algorithm import InteractionMatrices
from core.recommender.item_knn import ItemKNN


def dense_scores(matrix: csr_array, ages: np.ndarray, model: ItemKNN) -> np.ndarray:
    """(users, posts): the definition with dense arrays."""
    dense = matrix.toarray().astype(np.float64)
    rows = dense.T / np.maximum(np.linalg.norm(dense.T, axis=1, keepdims=True) + model.shrinkage, 1e-12)
    similar = rows @ rows.T
    np.fill_diagonal(similar, 0)
    kth = np.sort(similar, axis=1)[:, ::-1][:, min(model.k, len(rows)) - 1]
    kept = np.where(similar >= kth[:, None], similar, 0)
    scores: np.ndarray = dense @ (kept * 2 ** (-ages / model.post_half_life))
    scores[dense > 0] = 0
    return scores


@pytest.mark.parametrize("shrinkage", [0.0, 2.0])
@pytest.mark.parametrize("k", [1, 5, 100])
def test_scores_are_those_of_the_formula(k: int, shrinkage: float) -> None:
    matrix = csr_array(random_array((50, 30), density=0.2, rng=3, dtype=np.float32))
    ages = np.linspace(0, 100, 30)
    model = ItemKNN(k=k, shrinkage=shrinkage, post_half_life=24)

    ranked = model.fit(InteractionMatrices({0.0: matrix}, ages)).recommend(matrix, np.arange(50), matrix, 30)

    scores = np.zeros((50, 30))
    users, ranks = np.nonzero(ranked.rows >= 0)
    scores[users, ranked.rows[users, ranks]] = ranked.scores[users, ranks]
    np.testing.assert_allclose(scores, dense_scores(matrix, ages, model), atol=1e-4)


def test_on_a_checkerboard_each_user_gets_the_rest_of_their_own_colour() -> None:
    board = np.fromfunction(lambda user, post: (user + post) % 2 == 0, (10, 12)).astype(np.float32)
    board[0, 4] = 0
    matrix = csr_array(board)

    ranked = ItemKNN(k=5).fit(InteractionMatrices.timeless(matrix)).recommend(matrix, np.arange(10), matrix, 12)

    assert ranked.rows[0][ranked.rows[0] >= 0].tolist() == [4]
