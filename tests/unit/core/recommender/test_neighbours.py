"""The kernel against the plain formula, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array, random_array

from core.recommender import inverted_index as index_module
from core.recommender.inverted_index import inverted_index
from core.recommender.neighbours import QUERIES_AT_ONCE, Neighbours, cosine_neighbours, top_neighbours
from core.recommender.normalisation import l2_normalised


def taste(users: int, posts: int, seed: int, density: float = 0.2) -> csr_array:
    matrix = random_array((users, posts), density=density, format="csr", rng=seed, dtype=np.float32)
    matrix.sort_indices()
    return csr_array(matrix)


def plain_cosines(matrix: csr_array) -> NDArray[np.float64]:
    """The definition: dot products of rows over the product of their lengths, 0 with oneself."""
    dense = matrix.toarray().astype(np.float64)
    lengths = np.linalg.norm(dense, axis=1)
    lengths[lengths == 0] = 1
    cosines: NDArray[np.float64] = (dense @ dense.T) / np.outer(lengths, lengths)
    np.fill_diagonal(cosines, 0)
    return cosines


def assert_nearest(found: Neighbours, cosines: NDArray[np.float64], k: int) -> None:
    """The similarities are those of the k best, and each row has the similarity that is said of it."""
    best = -np.sort(-cosines, axis=1)[:, :k]
    np.testing.assert_allclose(found.similarities, best, atol=1e-5)
    there = found.rows >= 0
    assert (there == (found.similarities > 0)).all()
    said = np.take_along_axis(cosines, np.maximum(found.rows, 0), axis=1)
    np.testing.assert_allclose(np.where(there, said, 0), found.similarities, atol=1e-5)


@settings(deadline=None)
@given(
    st.integers(2, 60), st.integers(1, 50), st.integers(0, 2**16), st.integers(1, 70), st.sampled_from([0.0, 0.05, 0.5])
)
def test_the_kernel_equals_the_plain_formula(users: int, posts: int, seed: int, k: int, density: float) -> None:
    matrix = taste(users, posts, seed, density)

    found = cosine_neighbours(matrix, k)

    assert found.rows.shape == (users, min(k, users))
    assert_nearest(found, plain_cosines(matrix), min(k, users))


@pytest.mark.parametrize("density", [0.002, 0.2])
@pytest.mark.parametrize("k", [1, 20, 1200])
def test_so_it_does_over_several_blocks(monkeypatch: pytest.MonkeyPatch, density: float, k: int) -> None:
    monkeypatch.setattr(index_module, "MOST_BLOCK_ROWS", 512)
    matrix = taste(1700, 120, seed=4, density=density)

    found = cosine_neighbours(matrix, k)

    assert inverted_index(matrix).blocks == 4
    assert_nearest(found, plain_cosines(matrix), k)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 2**16), st.integers(1, 12))
def test_rows_are_sorted_by_similarity_and_ties_by_row(users: int, posts: int, seed: int, k: int) -> None:
    coarse = taste(users, posts, seed)
    coarse.data = np.ceil(coarse.data * 2)

    found = cosine_neighbours(coarse, k)

    falls, ties = np.diff(found.similarities) < 0, np.diff(found.similarities) == 0
    rises = np.diff(found.rows) > 0
    assert (falls | (ties & (rises | (found.rows[:, 1:] == -1)))).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**16), st.integers(1, 5))
def test_any_number_of_threads_gives_the_same_bits(seed: int, threads: int) -> None:
    matrix = taste(300, 40, seed)

    alone, together = cosine_neighbours(matrix, 7), cosine_neighbours(matrix, 7, threads)

    assert (alone.rows == together.rows).all()
    assert (alone.similarities.view(np.int32) == together.similarities.view(np.int32)).all()


def test_a_query_has_the_same_answer_alone_and_among_more_than_one_portion_of_others() -> None:
    matrix = l2_normalised(taste(QUERIES_AT_ONCE + 300, 60, seed=2, density=0.05))
    index, own_rows = inverted_index(matrix), np.arange(matrix.shape[0])
    everyone = top_neighbours(matrix, index, 9, own_rows, threads=2)

    for query in (0, 17, QUERIES_AT_ONCE, matrix.shape[0] - 1):
        alone = top_neighbours(matrix[[query]], index, 9, own_rows[[query]])
        assert (alone.rows[0] == everyone.rows[query]).all()
        assert (alone.similarities[0] == everyone.similarities[query]).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.integers(0, 2**16))
def test_numbering_users_otherwise_changes_no_similarity(users: int, seed: int) -> None:
    matrix = taste(users, 30, seed)
    order = np.random.default_rng(seed).permutation(users)

    straight, shuffled = cosine_neighbours(matrix, 5), cosine_neighbours(csr_array(matrix[order]), 5)

    assert (straight.similarities[order] == shuffled.similarities).all()


def test_the_transpose_gives_similar_posts() -> None:
    matrix = taste(50, 30, seed=8)
    posts = csr_array(matrix.T.tocsr())

    assert_nearest(cosine_neighbours(posts, 6), plain_cosines(posts), 6)


@pytest.mark.parametrize("users", [2, 513, 2000])
def test_users_that_are_all_equal_are_neighbours_of_similarity_one_in_the_order_of_rows(users: int) -> None:
    matrix = csr_array(np.full((users, 3), 0.7, dtype=np.float32))

    found = cosine_neighbours(matrix, 3)

    assert found.similarities[found.rows >= 0] == pytest.approx(1)
    assert found.rows[users - 1].tolist() == ([0, 1, 2] if users > 3 else [0, -1])
    assert found.rows[0].tolist() == ([1, 2, 3] if users > 3 else [1, -1])


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (1, 1), (1, 5), (3, 0)])
def test_nobody_has_neighbours_where_there_is_nobody_else(shape: tuple[int, int]) -> None:
    found = cosine_neighbours(csr_array(np.ones(shape, dtype=np.float32)), 4)

    assert (found.rows == -1).all()
    assert (found.similarities == 0).all()


def test_weights_as_far_apart_as_floats_go_stay_finite() -> None:
    matrix = csr_array(np.array([[1e30, 1e-30], [1e30, 0], [0, 1e-30], [1e-38, 1e-38]], dtype=np.float32))

    found = cosine_neighbours(matrix, 3)

    assert np.isfinite(found.similarities).all()
    assert found.similarities.max() <= 1


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_impossible_weights_have_no_neighbours_but_an_error(weight: float) -> None:
    with pytest.raises(ValueError, match="the matrix must hold finite weights that are not negative"):
        cosine_neighbours(csr_array(np.array([[1, weight], [1, 1]])), 1)


def test_questions_that_do_not_fit_are_refused_with_the_rule() -> None:
    index = inverted_index(taste(5, 4, seed=1))
    nobody = np.array([-1])

    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        top_neighbours(taste(1, 4, seed=1), index, 0, nobody)
    with pytest.raises(ValueError, match="7 columns where the index has 4"):
        top_neighbours(taste(1, 7, seed=1), index, 3, nobody)
    with pytest.raises(ValueError, match="2 queries need as many excluded rows"):
        top_neighbours(taste(2, 4, seed=1), index, 3, nobody)
    with pytest.raises(ValueError, match="excluded rows must be below 5"):
        top_neighbours(taste(1, 4, seed=1), index, 3, np.array([5]))
    with pytest.raises(ValueError, match="at least 1 thread, not 0"):
        top_neighbours(taste(1, 4, seed=1), index, 3, nobody, threads=0)
