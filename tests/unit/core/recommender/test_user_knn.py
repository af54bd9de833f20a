"""User-based kNN against answers known by construction, the plain formula, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array, random_array
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

from core.recommender import inverted_index as index_module
from core.recommender.algorithm import InteractionMatrices, RankedPosts
from core.recommender.user_knn import UserKNN

timeless = InteractionMatrices.timeless
NOBODY = np.array([-1])


def taste(users: int, posts: int, seed: int, density: float = 0.2) -> csr_array:
    matrix = random_array((users, posts), density=density, format="csr", rng=seed, dtype=np.float32)
    matrix.sort_indices()
    return csr_array(matrix)


def seen_by(matrix: csr_array, user: int) -> NDArray[np.int64]:
    return matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]].astype(np.int64)


def recommend_to(model: UserKNN, matrix: csr_array, user: int, limit: int) -> RankedPosts:
    ranked = model.recommend(matrix[[user]], np.array([user]), matrix[[user]], limit)
    there = ranked.rows[0] >= 0
    return RankedPosts(ranked.rows[0][there], ranked.scores[0][there])


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

    ranked = recommend_to(UserKNN(k=4).fit(timeless(matrix)), matrix, 0, 12)

    assert ranked.rows.tolist() == [4]


@pytest.mark.parametrize("k", [1, 5, 50])
def test_scores_are_those_of_brute_force_cosine_neighbours(k: int) -> None:
    matrix = taste(40, 60, seed=3)
    model = UserKNN(k=k).fit(timeless(matrix))

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
    model = UserKNN(k=k).fit(timeless(matrix))

    ranked = recommend_to(model, matrix, 0, limit)

    assert len(ranked.rows) <= limit
    assert np.isfinite(ranked.scores).all()
    assert (ranked.scores > 0).all()
    assert (np.diff(ranked.scores) <= 0).all()
    assert not set(ranked.rows.tolist()) & set(seen_by(matrix, 0).tolist())


def test_asking_alone_or_among_others_gives_the_same_bits() -> None:
    matrix = taste(300, 80, seed=5)
    model = UserKNN(k=20).fit(timeless(matrix))
    everyone = model.recommend(matrix, np.arange(300), matrix, 30, threads=2)

    for user in (0, 7, 299):
        alone = model.recommend(matrix[[user]], np.array([user]), matrix[[user]], 30)
        assert (alone.rows[0] == everyone.rows[user]).all()
        assert (alone.scores[0] == everyone.scores[user]).all()


def test_ties_go_by_row() -> None:
    matrix = csr_array(np.array([[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=np.float32))

    ranked = recommend_to(UserKNN(k=2).fit(timeless(matrix)), matrix, 0, 2)

    assert ranked.rows.tolist() == [1, 2]


def test_the_users_own_trained_row_is_never_a_neighbour_but_a_twins_is() -> None:
    matrix = csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.float32))
    model = UserKNN(k=5).fit(timeless(matrix))

    as_trained_user = model.kneighbors(matrix[[0]], np.array([0]))
    as_newcomer = model.kneighbors(matrix[[0]], NOBODY)

    assert as_trained_user.rows.tolist() == [[1, 2, -1]]
    assert as_newcomer.rows.tolist() == [[0, 1, 2]]


def bounded(additions: int) -> UserKNN:
    return UserKNN(k=10, additions=additions)


@pytest.mark.parametrize("users", [200, 1700])
def test_a_budget_that_is_never_used_up_gives_the_exact_answer_over_any_number_of_blocks(
    monkeypatch: pytest.MonkeyPatch, users: int
) -> None:
    monkeypatch.setattr(index_module, "MOST_BLOCK_ROWS", 512)
    matrix = taste(users, 50, seed=6)
    own_rows = np.arange(users)

    exact, generous = UserKNN(k=10).fit(timeless(matrix)), bounded(users * 50).fit(timeless(matrix))

    one, other = (model.kneighbors(matrix, own_rows, threads=2) for model in (exact, generous))
    assert generous.index_.blocks == -(-users // 512)
    assert (one.rows == other.rows).all()
    assert (one.similarities == other.similarities).all()


def test_a_small_budget_goes_to_the_posts_that_the_fewest_users_have() -> None:
    # Post 0 is everybody's, post 1 is shared with user 4 alone: the budget lasts for the latter.
    matrix = csr_array(np.array([[1, 1], [1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32))

    found = bounded(2).fit(timeless(matrix)).kneighbors(matrix[[0]], np.array([0]))

    assert found.rows[0].tolist() == [4, -1, -1, -1, -1]


def test_a_user_of_one_very_popular_post_still_has_neighbours() -> None:
    matrix = csr_array(np.ones((1000, 1), dtype=np.float32))

    found = bounded(100).fit(timeless(matrix)).kneighbors(matrix[[0]], np.array([0]))

    assert (found.rows[0] >= 0).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**16), st.integers(1, 400))
def test_bounded_similarities_are_never_above_the_cosine_and_as_deterministic(seed: int, additions: int) -> None:
    matrix = taste(60, 25, seed)
    rows = matrix.toarray() / np.maximum(np.linalg.norm(matrix.toarray(), axis=1, keepdims=True), 1e-9)
    model = bounded(additions).fit(timeless(matrix))

    found, again = (model.kneighbors(matrix, np.arange(60), threads) for threads in (1, 3))

    cosines = np.take_along_axis(rows @ rows.T, np.maximum(found.rows, 0), axis=1)
    assert (found.similarities <= cosines + 1e-5).all()
    assert (found.rows == again.rows).all()
    assert (found.similarities == again.similarities).all()


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (1, 5), (5, 1)])
def test_tiny_and_empty_matrices_give_empty_lists(shape: tuple[int, int]) -> None:
    matrix = csr_array(np.ones(shape, dtype=np.float32))
    model = UserKNN().fit(timeless(matrix))

    for query in (np.zeros, np.ones):
        asked = csr_array(query((1, shape[1]), dtype=np.float32))
        ranked = model.recommend(asked, NOBODY, asked, 5)
        assert (ranked.rows == -1).all()


def test_it_keeps_scikit_learns_conventions() -> None:
    model = UserKNN(k=7)

    assert model.get_params() == UserKNN().get_params() | {"k": 7}
    assert clone(model).k == 7
    assert model.fit(timeless(taste(5, 5, seed=1))) is model


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 2**16), st.sampled_from([0, 25]))
def test_taken_apart_and_put_together_again_it_gives_the_same_bits(
    users: int, posts: int, seed: int, additions: int
) -> None:
    matrix = taste(users, posts, seed)
    model = UserKNN(k=5, additions=additions).fit(timeless(matrix))

    restored = UserKNN(**model.get_params()).with_arrays(model.to_arrays(), users, posts)

    one, other = (either.recommend(matrix, np.arange(users), matrix, 10) for either in (model, restored))
    assert (one.rows == other.rows).all()
    assert (one.scores == other.scores).all()


def test_pairs_that_come_twice_are_summed_and_zeros_are_left_out() -> None:
    twice = csr_array((np.array([1, 2, 0], dtype=np.float32), [0, 0, 1], [0, 3, 3]), shape=(2, 2))
    other = csr_array(np.array([[3, 0], [0, 0]], dtype=np.float32))

    learned, due = UserKNN().fit(timeless(twice)).to_arrays(), UserKNN().fit(timeless(other)).to_arrays()

    assert all((learned[name] == due[name]).all() for name in due)


def test_wrong_parameters_and_weights_are_refused_with_the_rule() -> None:
    with pytest.raises(ValueError, match="k=0 is wrong: a whole number from 1"):
        UserKNN(k=0).fit(timeless(taste(3, 3, seed=1)))
    with pytest.raises(ValueError, match="additions=-1 is wrong"):
        bounded(-1).fit(timeless(taste(3, 3, seed=1)))
    model = UserKNN().fit(timeless(taste(3, 3, seed=1)))
    for weight in (np.nan, np.inf, -1.0):
        wrong = csr_array(np.array([[1.0, weight, 0]], dtype=np.float32))
        with pytest.raises(ValueError, match="the user-item matrix must hold finite weights"):
            UserKNN().fit(timeless(wrong))
        with pytest.raises(ValueError, match="the queries must hold finite weights"):
            model.recommend(wrong, NOBODY, wrong, 5)
    with pytest.raises(ValueError, match="votes would not stay finite"):
        UserKNN(k=50).fit(timeless(csr_array(np.full((2, 2), 1e37, dtype=np.float32))))
    with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        model.recommend(taste(1, 3, seed=1), NOBODY, taste(1, 3, seed=1), 0)
    with pytest.raises(ValueError, match="seen posts have the shape"):
        model.recommend(taste(1, 3, seed=1), NOBODY, taste(1, 2, seed=1), 5)


def test_queries_whose_columns_lie_outside_are_refused() -> None:
    outside = csr_array((np.ones(1, dtype=np.float32), [0], [0, 1]), shape=(1, 3))
    outside.indices[0] = 9

    model = UserKNN().fit(timeless(taste(3, 3, seed=1)))
    with pytest.raises(ValueError, match="indices must be"):
        model.kneighbors(outside, NOBODY)
    with pytest.raises(ValueError, match="indices must be"):
        model.recommend(taste(1, 3, seed=1), NOBODY, outside, 5)


def test_learning_again_or_with_another_budget_is_learning_anew() -> None:
    first, second = taste(30, 20, seed=1), taste(400, 500, seed=2, density=0.3)
    used = bounded(50).fit(timeless(first))
    used.kneighbors(first, np.arange(30))

    again = used.fit(timeless(second)).kneighbors(second, np.arange(400))
    anew = bounded(50).fit(timeless(second)).kneighbors(second, np.arange(400))
    widened = used.set_params(additions=10**6).kneighbors(second, np.arange(400))

    assert (again.rows == anew.rows).all()
    assert (widened.rows == UserKNN(k=10).fit(timeless(second)).kneighbors(second, np.arange(400)).rows).all()


@pytest.mark.parametrize("additions", [-1, 2**31, 2**70])
def test_a_budget_beyond_all_use_is_refused(additions: int) -> None:
    with pytest.raises(ValueError, match=f"additions={additions} is wrong"):
        bounded(additions).fit(timeless(taste(5, 5, seed=0)))


def test_a_matrix_of_another_format_is_refused_by_name() -> None:
    matrix = taste(20, 20, seed=0)
    model = UserKNN().fit(timeless(matrix))

    with pytest.raises(ValueError, match="the user-item matrix must be a sparse matrix in CSR format, not csc"):
        UserKNN().fit(timeless(matrix.tocsc()))
    with pytest.raises(ValueError, match="the queries must be a sparse matrix in CSR format, not ndarray"):
        model.kneighbors(matrix.toarray(), np.arange(20))
    with pytest.raises(ValueError, match="the matrix of seen posts must be a sparse matrix in CSR format, not csc"):
        model.recommend(matrix, np.arange(20), matrix.tocsc(), 5)


def test_weights_that_32_bits_cannot_hold_are_refused() -> None:
    matrix = taste(20, 20, seed=0)
    huge = matrix.astype(np.float64) * 1e39

    with pytest.raises(ValueError, match="the queries holds weights up to"):
        UserKNN().fit(timeless(matrix)).kneighbors(huge, np.arange(20))


@pytest.mark.parametrize(
    ("own_rows", "reason"), [(np.zeros(20, np.int32), "must be int64"), (np.full(20, -2), "or -1 for none")]
)
def test_own_rows_of_another_kind_are_refused(own_rows: NDArray[np.int64], reason: str) -> None:
    matrix = taste(20, 20, seed=0)

    with pytest.raises(ValueError, match=reason):
        UserKNN().fit(timeless(matrix)).kneighbors(matrix, own_rows)


def similarity_rows(matrix: csr_array, shrinkage: float, damping: int) -> NDArray[np.float64]:
    """Dense rows whose products are the similarities of the class's docstring."""
    dense = matrix.toarray().astype(np.float64)
    if damping:
        popularity = (dense > 0).sum(axis=0)
        dense = dense * (2.2 / (1.2 * (0.25 + 0.75 * popularity / popularity[popularity > 0].mean()) + 1))
    rows: NDArray[np.float64] = dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True) + shrinkage, 1e-12)
    return rows


def dense_votes(tastes: csr_array, votes: NDArray[np.float64], model: UserKNN) -> NDArray[np.float64]:
    """(users, posts): the definition for every user, with dense arrays."""
    rows = similarity_rows(tastes, model.shrinkage, model.damping)
    similarities = rows @ rows.T
    np.fill_diagonal(similarities, 0)
    kth = np.sort(similarities, axis=1)[:, ::-1][:, min(model.k, len(rows)) - 1]
    reached = similarities >= (kth[:, None] if model.neighbourhood == "forward" else kth[None, :]) * (1 - 1e-6)
    scores: NDArray[np.float64] = np.where(reached, similarities, 0) @ votes
    scores[tastes.toarray() > 0] = 0
    return scores


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**16),
    st.sampled_from(["forward", "reverse"]),
    st.sampled_from([0.0, 0.7, 5.0]),
    st.sampled_from([0, 1]),
    st.sampled_from([1, 4, 90]),
)
def test_scores_are_those_of_the_formula(seed: int, neighbourhood: str, shrinkage: float, damping: int, k: int) -> None:
    matrix = taste(45, 30, seed)
    model = UserKNN(k=k, neighbourhood=neighbourhood, shrinkage=shrinkage, damping=damping).fit(timeless(matrix))

    ranked = model.recommend(matrix, np.arange(45), matrix, 30)

    scores = np.zeros((45, 30))
    users, ranks = np.nonzero(ranked.rows >= 0)
    scores[users, ranked.rows[users, ranks]] = ranked.scores[users, ranks]
    np.testing.assert_allclose(scores, dense_votes(matrix, matrix.toarray().astype(np.float64), model), atol=1e-4)


def test_in_the_reverse_neighbourhood_those_count_who_have_the_query_among_their_own() -> None:
    # User 2 shares a post with everyone, but each of the others has somebody more alike.
    matrix = csr_array(np.array([[1, 1, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]], dtype=np.float32))

    to_user_2 = recommend_to(UserKNN(k=1, neighbourhood="reverse").fit(timeless(matrix)), matrix, 2, 4)
    to_user_1 = recommend_to(UserKNN(k=1, neighbourhood="reverse").fit(timeless(matrix)), matrix, 1, 4)

    assert to_user_2.rows.tolist() == []
    assert to_user_1.rows.tolist() == [3, 2]


def test_reverse_neighbours_are_the_same_over_any_number_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = taste(1700, 50, seed=8)
    whole = UserKNN(k=9, neighbourhood="reverse").fit(timeless(matrix))
    monkeypatch.setattr(index_module, "MOST_BLOCK_ROWS", 512)
    cut = UserKNN(k=9, neighbourhood="reverse").fit(timeless(matrix))

    one, other = (model.recommend(matrix, np.arange(1700), matrix, 20, threads=2) for model in (whole, cut))

    assert cut.index_.blocks == 4
    assert (one.rows == other.rows).all()


def test_similarities_and_votes_age_apart_and_so_do_posts() -> None:
    tastes, votes = taste(30, 20, seed=4), taste(30, 20, seed=4)
    votes.data *= np.linspace(0.1, 1, votes.nnz, dtype=np.float32)
    ages = np.linspace(0, 200, 20)
    model = UserKNN(k=6, similarity_half_life=900, vote_half_life=12, post_half_life=48)

    model.fit(InteractionMatrices({900.0: tastes, 12.0: votes}, ages))

    ranked = model.recommend(tastes, np.arange(30), tastes, 20)
    due = dense_votes(tastes, votes.toarray() * 2 ** (-ages / 48), model)
    scores = np.zeros((30, 20))
    users, ranks = np.nonzero(ranked.rows >= 0)
    scores[users, ranked.rows[users, ranks]] = ranked.scores[users, ranks]
    assert model.half_lives_hours == {900, 12}
    assert model.query_half_life_hours == 900
    np.testing.assert_allclose(scores, due, atol=1e-4)


def test_votes_too_faint_to_change_a_list_are_forgotten() -> None:
    votes = csr_array(np.array([[1, 1e-20], [0, 1]], dtype=np.float32))

    model = UserKNN(vote_half_life=1).fit(InteractionMatrices({0.0: votes, 1.0: votes}, np.zeros(2)))

    assert model.votes_.columns.tolist() == [0, 1]


def test_a_budget_with_the_reverse_neighbourhood_is_refused() -> None:
    with pytest.raises(ValueError, match="additions bound the forward neighbourhood only"):
        UserKNN(neighbourhood="reverse", additions=10).fit(timeless(taste(5, 5, seed=0)))


def test_where_votes_fade_users_with_nothing_left_to_say_take_nobodys_place() -> None:
    # Users 1 and 2 are as similar to user 0, and one of them alone is asked: user 1 was last seen long ago.
    tastes = csr_array(np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]], dtype=np.float32))
    votes = csr_array(np.array([[1, 1, 0, 0], [1e-4, 1e-4, 1e-4, 0], [1, 1, 0, 1]], dtype=np.float32))
    ageing = UserKNN(k=1, vote_half_life=1, post_half_life=0)

    model = ageing.fit(InteractionMatrices({0.0: tastes, 1.0: votes}, np.zeros(4)))

    assert recommend_to(model, tastes, 0, 4).rows.tolist() == [3]
    assert recommend_to(UserKNN(k=1, vote_half_life=0).fit(timeless(tastes)), tastes, 0, 4).rows.tolist() == [2]


@pytest.mark.parametrize(("shrinkage", "damping"), [(0.0, 0), (2.0, 1)])
@pytest.mark.parametrize("block_rows", [512, 1024])
def test_what_it_has_learned_of_a_user_is_the_users_row(
    shrinkage: float, damping: int, block_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_block_rows", lambda _: block_rows)
    matrix = taste(1100, 30, seed=5)
    model = UserKNN(shrinkage=shrinkage, damping=damping).fit(timeless(matrix))

    for user in (0, 511, 512, 1099):
        learned = model.learned_history(user)

        assert learned.indices.tolist() == seen_by(matrix, user).tolist()
        factors = learned.data / matrix[[user]].data
        assert factors == pytest.approx(np.full(len(factors), factors[:1].sum()), rel=1e-5)


def test_of_a_user_who_has_nothing_to_say_any_more_the_faint_votes_are_left() -> None:
    tastes = csr_array(np.array([[1, 1, 0], [1, 0, 1]], dtype=np.float32))
    votes = csr_array(np.array([[1, 1, 0], [1e-5, 0, 1e-6]], dtype=np.float32))
    matrices = InteractionMatrices({0.0: tastes, 12.0: votes}, np.zeros(3))
    model = UserKNN(post_half_life=0.0).fit(matrices)

    learned = model.learned_history(1)

    assert learned.toarray()[0] == pytest.approx([1e-5, 0, 1e-6])


def test_of_a_user_without_interactions_nothing_is_learned() -> None:
    matrix = csr_array(np.array([[1, 1], [0, 0]], dtype=np.float32))

    assert UserKNN().fit(timeless(matrix)).learned_history(1).nnz == 0
