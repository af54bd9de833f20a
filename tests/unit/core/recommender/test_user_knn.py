"""User-based kNN against answers known by construction, the plain formula, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array, random_array
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

from core.recommender.interaction_matrix import l2_normalised
from core.recommender.user_knn import RankedPosts, UserKNN

NOBODY = np.array([-1])


def taste(users: int, posts: int, seed: int, density: float = 0.2) -> csr_array:
    matrix = random_array((users, posts), density=density, format="csr", rng=seed, dtype=np.float32)
    matrix.sort_indices()
    return csr_array(matrix)


def seen_by(matrix: csr_array, user: int) -> NDArray[np.int64]:
    return matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]].astype(np.int64)


def recommend_to(model: UserKNN, matrix: csr_array, user: int, limit: int) -> RankedPosts:
    return model.recommend(matrix[[user]], np.array([user]), [seen_by(matrix, user)], limit)[0]


def plain_votes(matrix: csr_array, user: int, k: int) -> NDArray[np.float64]:
    """The definition, written with scikit-learn's brute force: every other user's cosine, the k best vote."""
    others = np.delete(np.arange(matrix.shape[0]), user)
    search = NearestNeighbors(n_neighbors=min(k, len(others)), metric="cosine", algorithm="brute").fit(matrix[others])
    distances, found = search.kneighbors(matrix[[user]])
    votes = (1 - distances[0]) @ matrix[others[found[0]]].toarray().astype(np.float64)
    votes[seen_by(matrix, user)] = 0
    return votes


def test_on_a_checkerboard_each_user_gets_the_rest_of_their_own_colour() -> None:
    board = np.fromfunction(lambda user, post: (user + post) % 2 == 0, (10, 12)).astype(np.float32)
    held_out = board.copy()
    held_out[0, 4] = 0
    matrix = csr_array(held_out)

    ranked = recommend_to(UserKNN(n_neighbors=4).fit(matrix), matrix, 0, 12)

    assert ranked.rows.tolist() == [4]


@pytest.mark.parametrize("k", [1, 5, 50])
def test_scores_are_those_of_brute_force_cosine_neighbours(k: int) -> None:
    matrix = taste(40, 60, seed=3)
    model = UserKNN(n_neighbors=k).fit(matrix)

    for user in range(40):
        ranked = recommend_to(model, matrix, user, 60)
        votes = np.zeros(60)
        votes[ranked.rows] = ranked.scores
        np.testing.assert_allclose(votes, plain_votes(matrix, user, k), atol=1e-5)


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(2, 40), st.integers(0, 2**16), st.integers(1, 10), st.integers(1, 45))
def test_lists_are_sorted_finite_within_the_limit_and_hold_nothing_seen(
    users: int, posts: int, seed: int, k: int, limit: int
) -> None:
    matrix = taste(users, posts, seed)
    model = UserKNN(n_neighbors=k).fit(matrix)

    ranked = recommend_to(model, matrix, 0, limit)

    assert len(ranked.rows) <= limit
    assert np.isfinite(ranked.scores).all()
    assert (ranked.scores > 0).all()
    assert (np.diff(ranked.scores) <= 0).all()
    assert not set(ranked.rows.tolist()) & set(seen_by(matrix, 0).tolist())


def test_asking_alone_or_among_others_gives_the_same_bits() -> None:
    matrix = taste(300, 80, seed=5)
    model = UserKNN(n_neighbors=20).fit(matrix)
    everyone = model.recommend(matrix, np.arange(300), [seen_by(matrix, user) for user in range(300)], 30)

    for user in (0, 7, 299):
        alone = recommend_to(model, matrix, user, 30)
        assert (alone.rows == everyone[user].rows).all()
        assert (alone.scores == everyone[user].scores).all()


def test_ties_go_by_row() -> None:
    matrix = csr_array(np.array([[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=np.float32))

    ranked = recommend_to(UserKNN(n_neighbors=2).fit(matrix), matrix, 0, 2)

    assert ranked.rows.tolist() == [1, 2]


def test_the_users_own_trained_row_is_never_a_neighbour_but_a_twins_is() -> None:
    matrix = csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.float32))
    model = UserKNN(n_neighbors=5).fit(matrix)

    as_trained_user = model.kneighbors(matrix[[0]], np.array([0]))[0]
    as_newcomer = model.kneighbors(matrix[[0]], NOBODY)[0]

    assert as_trained_user.rows.tolist() == [1, 2]
    assert as_newcomer.rows.tolist() == [0, 1, 2]


def test_neighbours_are_more_similar_the_earlier_and_never_above_one() -> None:
    matrix = taste(50, 30, seed=9)
    model = UserKNN(n_neighbors=10).fit(matrix)

    for neighbours in model.kneighbors(matrix, np.arange(50)):
        assert (np.diff(neighbours.similarities) <= 0).all()
        assert ((neighbours.similarities > 0) & (neighbours.similarities <= 1)).all()


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (1, 5), (5, 1)])
def test_tiny_and_empty_matrices_give_empty_lists(shape: tuple[int, int]) -> None:
    matrix = csr_array(np.ones(shape, dtype=np.float32))
    model = UserKNN().fit(matrix)

    ranked = model.recommend(csr_array((1, shape[1]), dtype=np.float32), NOBODY, [np.empty(0, dtype=np.int64)], 5)

    assert ranked[0].rows.size == 0


def test_it_keeps_scikit_learns_conventions() -> None:
    model = UserKNN(n_neighbors=7)

    assert model.get_params() == {"n_neighbors": 7}
    assert clone(model).n_neighbors == 7
    assert model.fit(taste(5, 5, seed=1)) is model
    np.testing.assert_allclose(model.normalised_.toarray(), l2_normalised(model.weights_).toarray())


def test_wrong_parameters_and_weights_are_refused_with_the_rule() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        UserKNN(n_neighbors=0).fit(taste(3, 3, seed=1))
    with pytest.raises(ValueError, match="finite weights"):
        UserKNN().fit(csr_array(np.array([[1.0, np.nan]], dtype=np.float32)))
