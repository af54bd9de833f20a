"""The lists of an index hold what the matrix holds, and nothing that a kernel must not see passes the checks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array, random_array

from core.recommender import inverted_index as index_module
from core.recommender.inverted_index import (
    LANES,
    InvertedIndex,
    SparseRows,
    check_index,
    check_rows,
    inverted_index,
    sparse_rows,
)


def taste(users: int, posts: int, seed: int) -> csr_array:
    matrix = random_array((users, posts), density=0.3, format="csr", rng=seed, dtype=np.float32)
    matrix.sort_indices()
    return csr_array(matrix)


def unfolded(index: InvertedIndex) -> NDArray[np.float32]:
    """The matrix that the lists describe, place by place."""
    dense = np.zeros((index.row_count, index.columns), dtype=np.float32)
    for column, block in np.ndindex(index.columns, index.blocks):
        place = column * index.blocks + block
        for entry in range(index.starts[place], index.starts[place + 1]):
            dense[block * index.block_rows + index.local_rows[entry], column] = index.values[entry]
    return dense


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(0, 20), st.integers(0, 2**16))
def test_the_lists_are_the_matrix_by_columns(users: int, posts: int, seed: int) -> None:
    matrix = taste(users, posts, seed)

    index = inverted_index(matrix)

    assert (unfolded(index) == matrix.toarray()).all()
    assert (index.list_lengths == np.count_nonzero(matrix.toarray(), axis=0)).all()


def test_many_rows_are_cut_into_blocks_of_whole_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_BLOCK_ROWS", 2 * LANES)
    matrix = taste(5 * LANES + 1, 6, seed=1)

    index = inverted_index(matrix)

    assert index.blocks == 3
    assert index.block_rows % LANES == 0
    assert (unfolded(index) == matrix.toarray()).all()


def test_what_32_bits_cannot_number_is_refused() -> None:
    huge = csr_array((1, 2**40), dtype=np.float32)

    with pytest.raises(ValueError, match="is too large: at most 2,147,483,647 rows and columns"):
        inverted_index(huge)


def test_a_matrix_of_other_types_is_taken_over() -> None:
    matrix = taste(4, 4, seed=2).astype(np.float64)

    assert sparse_rows(matrix).values.dtype == np.float32
    assert (unfolded(inverted_index(matrix)) == matrix.toarray().astype(np.float32)).all()


MATRIX = taste(6, 5, seed=3)
ROWS, INDEX = sparse_rows(MATRIX), inverted_index(MATRIX)


def test_what_was_built_passes_the_checks() -> None:
    check_rows(ROWS, 6, 5)
    check_index(INDEX, 6, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        ROWS._replace(columns=ROWS.columns + 5),
        ROWS._replace(columns=ROWS.columns - 5),
        ROWS._replace(columns=ROWS.columns.astype(np.int64)),
        ROWS._replace(values=ROWS.values[1:]),
        ROWS._replace(values=np.repeat(ROWS.values, 2)[::2]),
        ROWS._replace(starts=ROWS.starts[1:]),
        ROWS._replace(starts=ROWS.starts[::-1].copy()),
    ],
)
def test_rows_that_would_lead_a_kernel_astray_are_refused(wrong: SparseRows) -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        check_rows(wrong, 6, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        INDEX._replace(local_rows=np.full_like(INDEX.local_rows, LANES)),
        INDEX._replace(local_rows=INDEX.local_rows.astype(np.int32)),
        INDEX._replace(values=INDEX.values[1:]),
        INDEX._replace(starts=INDEX.starts[::-1].copy()),
        INDEX._replace(starts=INDEX.starts[1:].copy()),
        INDEX._replace(row_count=7),
        INDEX._replace(block_rows=LANES - 1),
    ],
)
def test_an_index_that_would_lead_a_kernel_astray_is_refused(wrong: InvertedIndex) -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        check_index(wrong, 6, 5)
