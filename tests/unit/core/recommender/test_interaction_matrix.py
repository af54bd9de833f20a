"""The weighted user-item matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from core.recommender.interaction_matrix import decayed_weights, l2_normalised, user_item_matrix

acts = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.floats(0, 3)), max_size=40)


def matrix_of(rows: list[tuple[int, int, float]]) -> csr_array:
    users, posts, weights = (np.array(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return user_item_matrix(np.array(users, dtype=int), np.array(posts, dtype=int), np.array(weights, float), (5, 6))


def test_repeated_interactions_of_a_pair_saturate() -> None:
    matrix = matrix_of([(0, 1, 1.0), (0, 1, 1.0), (0, 1, 1.0), (2, 1, 1.0)])

    assert matrix[0, 1] == 2.0  # log2(1 + 3)
    assert matrix[2, 1] == 1.0


def test_pairs_of_no_weight_are_left_out() -> None:
    assert matrix_of([(0, 1, 0.0), (1, 1, 0.5)]).nnz == 1


@given(acts, st.randoms())
def test_the_order_of_rows_does_not_matter_to_the_last_bit(rows: list[tuple[int, int, float]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its random loosely

    one, other = matrix_of(rows), matrix_of(shuffled)

    assert (one.indptr == other.indptr).all()
    assert (one.indices == other.indices).all()
    assert (one.data == other.data).all()


@given(acts)
def test_the_matrix_is_the_plain_formula(rows: list[tuple[int, int, float]]) -> None:
    sums = np.zeros((5, 6))
    for user, post, weight in rows:
        sums[user, post] += weight

    np.testing.assert_allclose(matrix_of(rows).toarray(), np.log2(1 + sums), rtol=1e-5, atol=1e-7)


@given(acts)
def test_normalised_rows_have_length_one_or_are_empty(rows: list[tuple[int, int, float]]) -> None:
    lengths = np.linalg.norm(l2_normalised(matrix_of(rows)).toarray(), axis=1)

    assert all(length == 0 or abs(length - 1) < 1e-5 for length in lengths)


def test_an_interaction_counts_half_after_its_half_life_and_full_in_the_future() -> None:
    ages = np.array([0.0, 24.0, 48.0, -5.0])

    assert decayed_weights(np.ones(4), ages, 24.0).tolist() == [1.0, 0.5, 0.25, 1.0]
    assert decayed_weights(np.ones(4), ages, 0.0).tolist() == [1.0] * 4


@pytest.mark.parametrize("wrong", [-0.1, np.nan, np.inf])
def test_impossible_weights_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        decayed_weights(np.array([1.0, wrong]), np.zeros(2), 0.0)
