"""The weighted user-item matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from core.recommender.interaction_matrix import InteractionRows, decayed_weights, matrix_of_parts, user_item_matrix

acts = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.floats(0, 3)), max_size=40)
orders = st.tuples(st.permutations(range(5)), st.permutations(range(6)))
compiling = settings(deadline=None)  # the first call of a kernel may have to


def rows_of(rows: list[tuple[int, int, float]]) -> InteractionRows:
    users, posts, weights = zip(*rows, strict=True) if rows else ((), (), ())
    if all(abs(row) < 2**31 for row in (*users, *posts)):
        return InteractionRows(
            np.array(users, dtype=np.int32), np.array(posts, dtype=np.int32), np.array(weights, float)
        )
    return InteractionRows(np.array(users), np.array(posts), np.array(weights, float))


def matrix_of(rows: list[tuple[int, int, float]]) -> csr_array:
    return user_item_matrix(*rows_of(rows), (5, 6))


def assert_same(one: csr_array, other: csr_array) -> None:
    """To the last bit."""
    assert one.indptr.tolist() == other.indptr.tolist()
    assert one.indices.tolist() == other.indices.tolist()
    assert one.data.tolist() == other.data.tolist()


def test_repeated_interactions_of_a_pair_saturate() -> None:
    matrix = matrix_of([(0, 1, 1.0), (0, 1, 1.0), (0, 1, 1.0), (2, 1, 1.0)])

    assert matrix[0, 1] == 2.0  # log2(1 + 3)
    assert matrix[2, 1] == 1.0


def test_pairs_of_no_weight_are_left_out() -> None:
    assert matrix_of([(0, 1, 0.0), (1, 1, 0.5)]).nnz == 1


@compiling
@given(acts, st.randoms())
def test_the_order_of_rows_does_not_matter_to_the_last_bit(rows: list[tuple[int, int, float]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its random loosely

    assert_same(matrix_of(rows), matrix_of(shuffled))


@compiling
@given(acts)
def test_the_matrix_is_the_plain_formula(rows: list[tuple[int, int, float]]) -> None:
    sums = np.zeros((5, 6))
    for user, post, weight in rows:
        sums[user, post] += weight

    np.testing.assert_allclose(matrix_of(rows).toarray(), np.log2(1 + sums), rtol=1e-5, atol=1e-7)


@compiling
@given(st.lists(acts, max_size=4), orders)
def test_parts_of_reordered_rows_give_the_same_matrix_reordered(
    parts: list[list[tuple[int, int, float]]], ranks: tuple[list[int], list[int]]
) -> None:
    user_ranks, post_ranks = (np.array(order, dtype=np.int32) for order in ranks)
    reordered = [
        (int(user_ranks[user]), int(post_ranks[post]), weight) for part in parts for user, post, weight in part
    ]

    matrix = matrix_of_parts([rows_of(part) for part in parts], user_ranks, post_ranks)

    assert_same(matrix, matrix_of(reordered))


@compiling
@given(acts)
def test_one_row_of_a_wide_matrix_is_the_same_as_among_others(rows: list[tuple[int, int, float]]) -> None:
    own = [(0, post, weight) for user, post, weight in rows if user == 0]

    wide = user_item_matrix(*rows_of(own), (1, 5000))

    assert_same(wide[:, :6], matrix_of(rows)[:1])
    assert wide.shape == (1, 5000)


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (3, 0), (1, 1)])
def test_a_matrix_of_nothing_has_its_shape(shape: tuple[int, int]) -> None:
    matrix = user_item_matrix(*rows_of([]), shape)

    assert matrix.shape == shape
    assert (matrix.nnz, matrix.indptr.tolist()) == (0, [0] * (shape[0] + 1))


def test_a_pair_of_very_many_interactions_is_summed_like_any_other() -> None:
    random = np.random.default_rng(0)
    weights = random.random(100_000)
    nowhere = np.zeros(len(weights), dtype=np.int64)

    (value,) = user_item_matrix(nowhere, nowhere, weights, (1, 1)).data

    assert value == pytest.approx(np.log2(1 + weights.sum()))
    assert value == user_item_matrix(nowhere, nowhere, random.permutation(weights), (1, 1)).data[0]


@pytest.mark.parametrize("wrong", [-0.1, np.nan, np.inf])
def test_impossible_weights_do_not_get_into_a_matrix(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        matrix_of([(0, 0, 1.0), (1, 1, wrong)])


def test_weights_whose_sum_is_infinite_do_not_either() -> None:
    with pytest.raises(ValueError, match="finite"):
        matrix_of([(0, 0, 1.5e308), (0, 0, 1.5e308)])


@pytest.mark.parametrize(("user", "post"), [(-1, 0), (5, 0), (0, -1), (0, 6), (2**32, 0), (0, 2**33 + 1)])
def test_rows_outside_the_shape_are_refused(user: int, post: int) -> None:
    with pytest.raises(ValueError, match="rows must be at least 0 and less than"):
        matrix_of([(user, post, 1.0)])


def test_a_shape_that_31_bits_cannot_number_is_refused() -> None:
    with pytest.raises(ValueError, match="posts are too many"):
        user_item_matrix(np.zeros(1, dtype=int), np.zeros(1, dtype=int), np.ones(1), (1, 2**31))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 user rows, 1 post rows and 1 weights"):
        user_item_matrix(np.zeros(2, dtype=int), np.zeros(1, dtype=int), np.ones(1), (1, 1))


def test_an_interaction_counts_half_after_its_half_life_and_full_in_the_future() -> None:
    ages = np.array([0.0, 24.0, 48.0, -5.0])

    assert decayed_weights(np.ones(4), ages, 24.0).tolist() == [1.0, 0.5, 0.25, 1.0]
    assert decayed_weights(np.ones(4), ages, 0.0).tolist() == [1.0] * 4
    assert decayed_weights(np.ones(2), np.array([40.0, 40.1]), 1.0).tolist() == [2.0**-40, 0]


@pytest.mark.parametrize("wrong", [-0.1, np.nan, np.inf])
def test_impossible_weights_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        decayed_weights(np.array([1.0, wrong]), np.zeros(2), 0.0)
