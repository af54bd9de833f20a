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
    starts, _, values = sparse_rows(matrix)
    normalised = np.empty(len(values), dtype=np.float32)
    _divide_rows(starts, values, row_lengths(matrix), normalised)
    return csr_array((normalised, matrix.indices, matrix.indptr), shape=matrix.shape, copy=False)


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
