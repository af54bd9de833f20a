"""EASE against its own definition."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from core.recommender import ease as ease_module
from core.recommender.algorithm import InteractionMatrices
from core.recommender.ease import EASE


def test_no_other_weights_with_a_diagonal_of_zeros_predict_better() -> None:
    matrix = csr_array(random_array((60, 12), density=0.3, rng=1, dtype=np.float32))
    dense = matrix.toarray().astype(np.float64)
    model = EASE(l2=3, post_half_life=0).fit(InteractionMatrices.timeless(matrix))

    # Each column is a ridge regression on all others.
    for post in range(12):
        others = np.delete(np.arange(12), post)
        known = dense[:, others]
        ridge = np.linalg.solve(known.T @ known + 3 * np.eye(11), known.T @ dense[:, post])
        np.testing.assert_allclose(model.weights_[others, post], ridge, atol=1e-5)
        assert model.weights_[post, post] == 0


def test_lists_are_the_highest_positive_products() -> None:
    matrix = csr_array(random_array((40, 25), density=0.2, rng=2, dtype=np.float32))
    model = EASE(l2=5).fit(InteractionMatrices.timeless(matrix))

    ranked = model.recommend(matrix, np.arange(40), matrix, 6)

    scores = matrix.toarray() @ model.weights_
    scores[matrix.toarray() > 0] = 0
    for user in range(40):
        due = [row for row in np.argsort(-scores[user], kind="stable")[:6] if scores[user, row] > 0]
        assert ranked.rows[user][ranked.rows[user] >= 0].tolist() == due


def test_posts_fade_with_their_age() -> None:
    matrix = csr_array(np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [1, 0, 0]], dtype=np.float32))
    model = EASE(l2=1, post_half_life=10)

    model.fit(InteractionMatrices({0.0: matrix}, np.array([0.0, 10, 0])))

    assert model.weights_[0, 1] == pytest.approx(model.weights_[0, 2] / 2, rel=1e-5)


def test_too_many_posts_are_refused_with_the_limit_and_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_module, "MOST_POSTS", 20)

    with pytest.raises(ValueError, match="ease takes at most 20 posts, not 25: use user_knn or item_knn"):
        EASE().fit(InteractionMatrices.timeless(csr_array((3, 25), dtype=np.float32)))
