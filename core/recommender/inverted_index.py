"""The inverted lists of a sparse matrix: for each column the rows that have it, cut into blocks of rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.compiled import arrays_of, compiled, outputs_of

LANES = 512
"""Rows of a block lie in lanes: row r in lane r modulo 512. Block sizes are multiples of it."""

MOST_BLOCK_ROWS = 65_536
"""A block's sums (4 bytes each) stay in the second-level cache of common processors, its row numbers fit 16 bits."""

MOST_ENTRIES = 2**32 - 1
MOST_ROWS = 2**31 - 1


class SparseRows(NamedTuple):
    """The rows of a CSR matrix: those of row r are starts[r] up to starts[r + 1] of `columns` and `values`.

    starts: (rows + 1,), int64; columns: (entries,), int32; values: (entries,), float32.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]

    def up_to(self, width: int) -> "SparseRows":
        """The same rows without columns from this one on; these very ones where there are none."""
        kept = self.columns < width
        if kept.all():
            return self
        return SparseRows(_kept_starts(self.starts, kept), self.columns[kept], self.values[kept])

    def beyond(self, width: int) -> "SparseRows":
        """The same rows without columns before this one, which is their first."""
        kept = self.columns >= width
        return SparseRows(_kept_starts(self.starts, kept), self.columns[kept] - np.int32(width), self.values[kept])

    def column(self, number: int) -> NDArray[np.float64]:
        """(rows,): the values of one column, 0 where a row has none; looks at every entry."""
        places = np.flatnonzero(self.columns == number)
        values = np.zeros(len(self.starts) - 1)
        values[np.searchsorted(self.starts, places, side="right") - 1] = self.values[places]
        return values


class InvertedIndex(NamedTuple):
    """The entries of column c in block b are those from starts[c * blocks + b] up to the next start.

    starts: (columns * blocks + 1,), uint32; local_rows: (entries,), uint16, rows counted from the block's first one,
    rising within a block; values: (entries,), float32; row_count: rows of the matrix; block_rows: rows in each block
    but the last, a multiple of LANES.
    """

    starts: NDArray[np.uint32]
    local_rows: NDArray[np.uint16]
    values: NDArray[np.float32]
    row_count: int
    block_rows: int

    @property
    def blocks(self) -> int:
        """Into how many blocks the rows are cut."""
        return _blocks(self.row_count, self.block_rows)

    @property
    def columns(self) -> int:
        """How many columns the matrix has."""
        return (len(self.starts) - 1) // self.blocks

    def row(self, number: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The columns of one row, ascending, and its values in them; looks at every entry."""
        block, local_row = divmod(number, self.block_rows)
        places = np.flatnonzero(self.local_rows == local_row)
        columns, blocks = np.divmod(np.searchsorted(self.starts, places, side="right") - 1, self.blocks)
        within = blocks == block
        return columns[within].astype(np.int32), self.values[places[within]]

    @property
    def occupied(self) -> NDArray[np.bool_]:
        """(row_count,): which rows have entries; looks at every entry."""
        found = np.zeros(self.row_count, dtype=np.bool_)
        _note_rows(self.starts, self.local_rows, self.blocks, self.block_rows, found)
        return found

    @property
    def list_lengths(self) -> NDArray[np.int64]:
        """(columns,): in how many rows each column is."""
        ends: NDArray[np.int64] = self.starts[:: self.blocks].astype(np.int64)
        return ends[1:] - ends[:-1]


def inverted_index(matrix: csr_array) -> InvertedIndex:
    """The lists of a matrix: CSR (rows, columns), float32. Raises ValueError for more than 32 bits can number."""
    row_starts, columns, values = sparse_rows(matrix)
    rows, width = matrix.shape
    block_rows = _block_rows(rows)
    blocks = _blocks(rows, block_rows)
    starts = np.zeros(width * blocks + 1, dtype=np.uint32)
    local_rows, list_values = np.empty(len(values), dtype=np.uint16), np.empty(len(values), dtype=np.float32)
    _fill_lists(row_starts, columns, values, blocks, block_rows, starts, local_rows, list_values)
    return InvertedIndex(starts, local_rows, list_values, rows, block_rows)


def sparse_rows(matrix: csr_array) -> SparseRows:
    """A CSR matrix as kernels take it, without a copy where its types allow.

    Raises ValueError for matrices of another format, and as `inverted_index`.
    """
    if not _is_csr(matrix):
        raise ValueError(f"a sparse matrix in CSR format is needed, not {_described(matrix)}")
    if matrix.nnz > MOST_ENTRIES or max(matrix.shape) > MOST_ROWS:
        raise ValueError(
            f"a matrix of {matrix.shape[0]:,} x {matrix.shape[1]:,} with {matrix.nnz:,} entries is too large: at most "
            f"{MOST_ROWS:,} rows and columns and {MOST_ENTRIES:,} entries can be numbered"
        )
    return SparseRows(
        np.ascontiguousarray(matrix.indptr, dtype=np.int64),
        np.ascontiguousarray(matrix.indices, dtype=np.int32),
        np.ascontiguousarray(matrix.data, dtype=np.float32),
    )


def checked_matrix(matrix: csr_array, name: str) -> csr_array:
    """The CSR matrix, float32, with each pair once, without zeros and sorted, as kernels need it.

    Raises ValueError, in which the matrix has this name, for entries outside the shape, for weights that are negative,
    not finite or beyond float32, and for matrices of another format.
    """
    check_layout(matrix, name)
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, not {matrix.dtype}")
    if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
        raise ValueError(f"{name} must hold finite weights that are not negative")
    if matrix.data.max(initial=0) > np.finfo(np.float32).max:
        raise ValueError(f"{name} holds weights up to {matrix.data.max():.3g}, which are too large for 32 bits")
    if matrix.has_canonical_format and matrix.data.all() and matrix.dtype == np.float32:
        return matrix
    cleaned = matrix.astype(np.float32)
    cleaned.sum_duplicates()
    cleaned.eliminate_zeros()
    if not np.isfinite(cleaned.data).all():
        raise ValueError(f"{name} holds weights that are too large together for 32 bits")
    return cleaned


def check_layout(matrix: csr_array, name: str) -> None:
    """Raise ValueError, in which the matrix has this name, unless it is a CSR matrix with entries inside its shape."""
    if not _is_csr(matrix):
        raise ValueError(f"{name} must be a sparse matrix in CSR format, not {_described(matrix)}")
    try:
        matrix.check_format(full_check=True)
        # scipy does not look at the starts of rows where there are no entries.
        _check(bool((np.diff(matrix.indptr) >= 0).all()), "row starts")
    except ValueError as error:
        raise ValueError(f"{name} cannot be read: {error}") from error


def check_rows(rows: SparseRows, count: int, width: int) -> None:
    """Raise ValueError unless these are `count` rows of `width` columns: kernels do not look where they read."""
    starts, columns, values = rows
    _check_types(rows, (np.int64, np.int32, np.float32))
    _check(len(starts) == count + 1 and starts[0] == 0 and starts[-1] == len(columns) == len(values), "row starts")
    _check(bool((np.diff(starts) >= 0).all()), "row starts")
    _check(not len(columns) or (columns.min() >= 0 and columns.max() < width), "columns")


def check_index(index: InvertedIndex, count: int, width: int) -> None:
    """Raise ValueError unless this is the index of `count` rows of `width` columns."""
    starts, local_rows, values, row_count, block_rows = index
    _check_types(index[:3], (np.uint32, np.uint16, np.float32))
    _check(row_count == count and block_rows == _block_rows(count), "blocks")
    _check(len(starts) == width * index.blocks + 1, "list starts")
    _check(starts[0] == 0 and starts[-1] == len(local_rows) == len(values), "list starts")
    _check(bool((starts[1:] >= starts[:-1]).all()), "list starts")
    _check(_rows_fit(starts, local_rows, row_count, block_rows, index.blocks), "rows")


def _kept_starts(starts: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    before = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(kept, dtype=np.int64)))
    kept_starts: NDArray[np.int64] = before[starts]
    return kept_starts


def _is_csr(matrix: Any) -> bool:
    return getattr(matrix, "format", None) == "csr" and matrix.ndim == 2


def _described(matrix: Any) -> str:
    dimensions = getattr(matrix, "ndim", 2)
    described = getattr(matrix, "format", type(matrix).__name__)
    return described if dimensions == 2 else f"{described} of {dimensions} dimension(s)"


def _check_types(arrays: Sequence[NDArray[Any]], types_due: Sequence[Any]) -> None:
    for array, due in zip(arrays, types_due, strict=True):
        _check(array.dtype == due and array.flags.c_contiguous, "arrays")


def _check(right: bool, what: str) -> None:
    if not right:
        raise ValueError(f"its {what} do not fit together")


def _block_rows(rows: int) -> int:
    blocks = max(1, -(-rows // MOST_BLOCK_ROWS))
    lane_rows = -(-rows // (blocks * LANES))
    return max(1, lane_rows) * LANES


def _blocks(rows: int, block_rows: int) -> int:
    return max(1, -(-rows // block_rows))


@compiled(
    types.void, arrays_of(types.int64), arrays_of(types.int32), arrays_of(types.float32), types.int64, types.int64,
    outputs_of(types.uint32), outputs_of(types.uint16), outputs_of(types.float32),
)  # fmt: skip
def _fill_lists(
    row_starts: Any, columns: Any, values: Any, blocks: int, block_rows: int, starts: Any, local_rows: Any,
    list_values: Any,
) -> None:  # fmt: skip
    """A counting sort by column and block. starts: all 0 before."""
    rows = len(row_starts) - 1
    for row in range(rows):
        for entry in range(row_starts[row], row_starts[row + 1]):
            starts[columns[entry] * blocks + row // block_rows] += 1
    total = np.uint32(0)
    for place in range(len(starts)):
        count = starts[place]
        starts[place] = total
        total += count
    # Each start moves to its list's end, which is where the next one begins: at last all move on by one place.
    for row in range(rows):
        for entry in range(row_starts[row], row_starts[row + 1]):
            place = columns[entry] * blocks + row // block_rows
            local_rows[starts[place]] = row % block_rows
            list_values[starts[place]] = values[entry]
            starts[place] += 1
    for place in range(len(starts) - 1, 0, -1):
        starts[place] = starts[place - 1]
    starts[0] = 0


@compiled(
    types.void, arrays_of(types.uint32), arrays_of(types.uint16), types.int64, types.int64, outputs_of(types.boolean)
)
def _note_rows(starts: Any, local_rows: Any, blocks: int, block_rows: int, found: Any) -> None:
    for place in range(len(starts) - 1):
        first_row = place % blocks * block_rows
        for entry in range(starts[place], starts[place + 1]):
            found[first_row + local_rows[entry]] = True


@compiled(types.boolean, arrays_of(types.uint32), arrays_of(types.uint16), types.int64, types.int64, types.int64)
def _rows_fit(starts: Any, local_rows: Any, row_count: int, block_rows: int, blocks: int) -> bool:
    """Whether no list names a row beyond its block's last one. starts: rising, within local_rows."""
    for place in range(len(starts) - 1):
        height = min(block_rows, row_count - place % blocks * block_rows)
        for entry in range(starts[place], starts[place + 1]):
            if local_rows[entry] >= height:
                return False
    return True
