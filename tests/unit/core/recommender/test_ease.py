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


def test_weights_lie_row_by_row_also_when_loaded_from_columns() -> None:
    model = EASE().fit(InteractionMatrices.timeless(csr_array(random_array((40, 25), density=0.2, rng=2))))

    loaded = EASE().with_arrays({"weights": np.asfortranarray(model.weights_)}, 40, 25)

    assert model.weights_.flags.c_contiguous
    assert loaded.weights_.flags.c_contiguous
    assert (loaded.weights_ == model.weights_).all()


@pytest.mark.parametrize("weights", [np.zeros((3, 4), np.float32), np.zeros((4, 4)), np.zeros(4, np.float32)])
def test_weights_of_another_shape_or_type_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"its weights must be float32 of the shape \(4, 4\)"):
        EASE().with_arrays({"weights": weights}, 3, 4)


def test_too_little_regularisation_for_the_weights_is_refused_by_name() -> None:
    matrix = csr_array(np.full((4, 4), 1e6, dtype=np.float32))

    with pytest.raises(ValueError, match="l2=1e-06 is too small beside these weights"):
        EASE(l2=1e-6).fit(InteractionMatrices.timeless(matrix))


def test_on_a_checkerboard_each_user_gets_the_rest_of_their_own_colour() -> None:
    board = np.fromfunction(lambda user, post: (user + post) % 2 == 0, (10, 12)).astype(np.float32)
    board[0, 4] = 0
    matrix = csr_array(board)

    ranked = EASE(l2=1).fit(InteractionMatrices.timeless(matrix)).recommend(matrix, np.arange(10), matrix, 12)

    assert ranked.rows[0][ranked.rows[0] >= 0].tolist() == [4]


def test_too_many_posts_are_refused_with_the_limit_and_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_module, "MOST_POSTS", 20)

    with pytest.raises(ValueError, match="ease takes at most 20 posts, not 25: use user_knn or item_knn"):
        EASE().fit(InteractionMatrices.timeless(csr_array((3, 25), dtype=np.float32)))
