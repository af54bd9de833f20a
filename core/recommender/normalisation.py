"""Rows brought to Euclidean length 1, so that products of rows are cosines."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.compiled import arrays_of, compiled, outputs_of
from core.recommender.inverted_index import sparse_rows


def row_lengths(matrix: csr_array) -> NDArray[np.float64]:
    """(rows,): the Euclidean length of each row of a CSR matrix, float32; 0 for rows without entries."""
    lengths = np.empty(matrix.shape[0], dtype=np.float64)
    starts, _, values = sparse_rows(matrix)
    _measure_rows(starts, values, lengths)
    return lengths


def l2_normalised(matrix: csr_array) -> csr_array:
    """The same CSR matrix with rows of length 1; rows that are all 0 stay so. Shares the index arrays."""
    return shrunk_rows(matrix, 0.0)


def shrunk_rows(matrix: csr_array, shrinkage: float) -> csr_array:
    """The same CSR matrix with rows divided by their length plus the shrinkage, so that short rows count less.

    shrinkage: not negative, in the unit of the lengths; 0 brings rows to length 1. Shares the index arrays.
    """
    starts, _, values = sparse_rows(matrix)
    divided = np.empty(len(values), dtype=np.float32)
    _divide_rows(starts, values, row_lengths(matrix) + shrinkage, divided)
    return csr_array((divided, matrix.indices, matrix.indptr), shape=matrix.shape, copy=False)


def scaled_columns(matrix: csr_array, factors: NDArray[Any]) -> csr_array:
    """The same CSR matrix, float32, with each column multiplied by its factor, (columns,). Shares the index arrays."""
    scaled = matrix.data * factors.astype(np.float32, copy=False)[matrix.indices]
    return csr_array((scaled, matrix.indices, matrix.indptr), shape=matrix.shape, copy=False)


UNPOPULAR_DAMPING = 2.2 / 1.3
"""That of a column which no row has."""


def popularity_damping(matrix: csr_array) -> NDArray[np.float32]:
    """(columns,): 2.2 / (1.2 · (0.25 + 0.75 · popularity / mean) + 1), below 1 where more rows than the mean have it.

    popularity: how many rows have the column; mean: over the columns that any row has.
    """
    popularity = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)
    mean = popularity[popularity > 0].mean() if popularity.any() else 1.0
    damping: NDArray[np.float64] = 2.2 / (1.2 * (0.25 + 0.75 * popularity / mean) + 1)
    return damping.astype(np.float32)


@compiled(types.void, arrays_of(types.int64), arrays_of(types.float32), outputs_of(types.float64))
def _measure_rows(starts: Any, values: Any, lengths: Any) -> None:
    for row in range(len(lengths)):
        total = 0.0
        for entry in range(starts[row], starts[row + 1]):
            total += np.float64(values[entry]) * np.float64(values[entry])
        lengths[row] = np.sqrt(total)


@compiled(
    types.void, arrays_of(types.int64), arrays_of(types.float32), arrays_of(types.float64), outputs_of(types.float32)
)
def _divide_rows(starts: Any, values: Any, lengths: Any, normalised: Any) -> None:
    """A row of length 0 is divided by 1."""
    for row in range(len(lengths)):
        length = lengths[row] if lengths[row] > 0 else 1.0
        for entry in range(starts[row], starts[row + 1]):
            normalised[entry] = np.float32(np.float64(values[entry]) / length)
