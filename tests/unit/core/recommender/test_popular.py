"""The most popular posts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from core.recommender.algorithm import InteractionMatrices
from core.recommender.popular import Popular

timeless = InteractionMatrices.timeless


def weights(users: int, posts: int, seed: int, density: float = 0.3) -> csr_array:
    return csr_array(random_array((users, posts), density=density, rng=seed, dtype=np.float32))


def nobody(count: int) -> np.ndarray:
    return np.full(count, -1)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 2**16), st.integers(1, 25))
def test_everyone_gets_the_highest_sums_but_for_what_they_have_seen(
    users: int, posts: int, seed: int, limit: int
) -> None:
    matrix = weights(users, posts, seed)
    sums = matrix.toarray().astype(np.float64).sum(axis=0)

    ranked = Popular().fit(timeless(matrix)).recommend(matrix, nobody(users), matrix, limit)

    for user in range(users):
        unseen = np.where(matrix.toarray()[user] > 0, 0, sums)
        best = [row for row in np.argsort(-unseen.astype(np.float32), kind="stable") if unseen[row] > 0][:limit]
        assert ranked.rows[user][ranked.rows[user] >= 0].tolist() == best
        np.testing.assert_allclose(ranked.scores[user][: len(best)], unseen[best], rtol=1e-6)


def test_popularity_fades_with_the_age_of_interactions_and_of_posts() -> None:
    old, new = csr_array(np.array([[1.0, 1, 2]])), csr_array(np.array([[0.5, 1, 2]]))
    matrices = InteractionMatrices({0.0: old, 6.0: new}, np.array([0.0, 0, 48]))
    nothing = csr_array((1, 3))

    by_age = Popular(half_life=6).fit(matrices).recommend(nothing, nobody(1), nothing, 3)
    by_birth = Popular(half_life=0, post_half_life=24).fit(matrices).recommend(nothing, nobody(1), nothing, 3)

    assert by_age.scores.tolist() == [[2, 1, 0.5]]
    assert by_birth.rows.tolist() == [[0, 1, 2]]
    assert by_birth.scores.tolist() == [[1, 1, 0.5]]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (1, 1), (3, 0)])
def test_without_anything_left_lists_are_empty(shape: tuple[int, int]) -> None:
    matrix = csr_array(np.ones(shape, dtype=np.float32))

    ranked = Popular().fit(timeless(matrix)).recommend(matrix, nobody(shape[0]), matrix, 4)

    assert (ranked.rows == -1).all()


@pytest.mark.parametrize(
    ("order", "scores"),
    [
        (np.array([0.5]), np.ones(1, np.float32)),
        (np.zeros(1, np.int32), np.ones(1)),
        (np.zeros((1, 1), np.int32), np.ones(1, np.float32)),
        (np.zeros(1, np.int32), np.ones((1, 2), np.float32)),
        (np.zeros(2, np.int32), np.ones(2, np.float32)),
        (np.array([-1], np.int32), np.ones(1, np.float32)),
        (np.array([4], np.int32), np.ones(1, np.float32)),
    ],
)
def test_arrays_that_cannot_be_an_order_and_its_scores_are_refused(order: np.ndarray, scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="its order and scores do not fit together"):
        Popular().with_arrays({"order": order, "scores": scores}, 3, 4)


def test_what_does_not_fit_is_refused_with_the_rule() -> None:
    matrix = weights(3, 4, seed=1)
    model = Popular().fit(timeless(matrix))

    with pytest.raises(ValueError, match="half_life=-1 is wrong"):
        Popular(half_life=-1).fit(timeless(matrix))
    with pytest.raises(ValueError, match="5 columns where the model has 4"):
        model.recommend(csr_array((1, 5)), nobody(1), csr_array((1, 5)), 3)
    with pytest.raises(ValueError, match="limit must be at least 1"):
        model.recommend(matrix, nobody(3), matrix, 0)
    with pytest.raises(ValueError, match="do not fit together"):
        Popular().with_arrays({"order": np.array([9]), "scores": np.ones(1)}, 3, 4)
