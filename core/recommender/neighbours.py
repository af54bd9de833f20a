"""The k most similar rows for each query: the one place where all users meet all users, or all posts all posts."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.inverted_index import (
    InvertedIndex,
    SparseRows,
    check_layout,
    checked_matrix,
    inverted_index,
    sparse_rows,
)
from core.recommender.neighbour_kernels import nearest, nearest_within, rekeyed, unpacked
from core.recommender.normalisation import l2_normalised
from core.recommender.reused_buffers import zeros_reused

QUERIES_AT_ONCE = 512
"""Threads take so many at a time: few enough to end together, enough to be worth the call."""


class Neighbours(NamedTuple):
    """The neighbours of q queries, the most similar first, ties by row; -1 and 0 where there are fewer than k.

    Ties are those of sums before a cosine that rounding has lifted above 1 is lowered to it.
    rows: shape (q, k), int32; similarities: shape (q, k), float32, cosines in (0, 1]. k is no more than all rows.
    """

    rows: NDArray[np.int32]
    similarities: NDArray[np.float32]


def top_neighbours(
    queries: csr_array, index: InvertedIndex, k: int, excluded_rows: NDArray[np.int64], threads: int = 1
) -> Neighbours:
    """The rows with the highest cosine to each query, those with a positive one only.

    queries: CSR (q, columns), float32, rows of length 1; index: of rows of length 1 with the same columns; k: at least
    1, no more than the rows there are are given; excluded_rows: (q,), the row that is the query's own, -1 for none.
    Each query's answer is the same to the bit whatever other queries are asked with it, and with any number of threads.
    Raises ValueError for queries of another shape.
    """
    check_queries(queries, (index.row_count, index.columns), k, excluded_rows)
    width = min(k, max(1, index.row_count))
    return found_by(cosine_finder(sparse_rows(queries), index, width, excluded_rows), queries.shape[0], width, threads)


def cosine_neighbours(matrix: csr_array, k: int, threads: int = 1) -> Neighbours:
    """The k most similar other rows of each row: of the user-item matrix similar users, of its transpose similar posts.

    matrix: CSR (rows, columns), finite weights that are not negative. Raises ValueError for any other.
    """
    normalised = l2_normalised(checked_matrix(matrix, "the matrix"))
    own_rows = np.arange(matrix.shape[0], dtype=np.int64)
    return top_neighbours(normalised, inverted_index(normalised), k, own_rows, threads)


Find = Callable[[int, int], Neighbours]


class Budget(NamedTuple):
    """A bound for the work on one query: the columns with the shortest lists are met first, while it lasts.

    additions: at least 1; list_lengths: (columns,), int64, those of the index.
    """

    additions: int
    list_lengths: NDArray[np.int64]


Keys = NDArray[np.uint64]
"""(q, k): what kernels write. An alias: functions that are defined anew for each query spell their types out then."""

FindKeys = Callable[[int, int], Keys]
"""find(first, last): (last - first, k), the keys of the rows for the queries first up to last."""


def key_finder(
    queries: SparseRows, index: InvertedIndex, k: int, excluded_rows: NDArray[np.int64], budget: Budget | None = None
) -> FindKeys:
    """A function that finds the k rows with the highest products with the queries first up to last."""

    def find(first: int, last: int) -> Keys:
        best = np.zeros((last - first, k), dtype=np.uint64)
        if budget is None:
            with zeros_reused("block sums", index.block_rows) as sums:
                nearest(first, last, *queries, excluded_rows, *index, sums, best)
        else:
            with zeros_reused("sums", index.row_count) as sums:
                nearest_within(
                    first, last, *queries, excluded_rows, *index, budget.list_lengths, budget.additions, sums, best
                )
        return best

    return find


def either_finder(one: FindKeys, other: FindKeys, first_row: int) -> FindKeys:
    """What both find. first_row: the number that the other's row 0 has among all."""

    def find(first: int, last: int) -> Keys:
        further = other(first, last)
        # A key holds the complement of its row.
        further[further > 0] -= np.uint64(first_row)
        return np.hstack((one(first, last), further))

    return find


def standing_in(one: FindKeys, other: FindKeys, is_other: NDArray[np.bool_], rows: NDArray[np.int64]) -> FindKeys:
    """What one finds, but for some queries what the other does, as many. is_other: (q,); rows: its rows among all."""

    def find(first: int, last: int) -> Keys:
        keys = one(first, last)
        for place in np.flatnonzero(is_other[first:last]).tolist():
            found = other(first + place, first + place + 1)
            among = found > 0
            found[among] = rekeyed(found[among], rows)
            keys[place] = found[0]
        return keys

    return find


def finder(
    queries: SparseRows, index: InvertedIndex, k: int, excluded_rows: NDArray[np.int64], budget: Budget | None = None
) -> Find:
    """A function that finds the k rows with the highest products with the queries first up to last, and these."""
    find = key_finder(queries, index, k, excluded_rows, budget)
    return lambda first, last: Neighbours(*unpacked(find(first, last), k))


def cosines_found(find: FindKeys, k: int) -> Find:
    """The k best that were found, of rows of length 1 at the most: rounding does not lift a cosine above 1."""

    def find_cosines(first: int, last: int) -> Neighbours:
        rows, products = unpacked(find(first, last), k)
        return Neighbours(rows, np.minimum(products, np.float32(1)))

    return find_cosines


def cosine_finder(
    queries: SparseRows, index: InvertedIndex, k: int, excluded_rows: NDArray[np.int64], budget: Budget | None = None
) -> Find:
    """The same as `finder` for rows of length 1 at the most."""
    return cosines_found(key_finder(queries, index, k, excluded_rows, budget), k)


def found_by(find: Find, count: int, k: int, threads: int) -> Neighbours:
    """The neighbours of `count` queries, found some at a time."""
    found = Neighbours(np.empty((count, k), dtype=np.int32), np.empty((count, k), dtype=np.float32))

    def find_some(first: int, last: int) -> None:
        found.rows[first:last], found.similarities[first:last] = find(first, last)

    in_threads(find_some, count, threads)
    return found


def in_threads(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Call work(first, last) for the queries from 0 to count, some at a time, in that many threads."""
    if threads < 1:
        raise ValueError(f"there must be at least 1 thread, not {threads}")
    if threads == 1 or count <= 1:
        for first, last in _portions(count, threads):
            work(first, last)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, first, last) for first, last in _portions(count, threads)]:
            done.result()


def check_queries(queries: csr_array, shape: tuple[int, int], k: int, excluded_rows: NDArray[np.int64]) -> None:
    """Raise ValueError for what the kernels, which check nothing, could not bear. shape: rows and columns met."""
    rows, columns = shape
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if queries.shape[1] != columns:
        raise ValueError(f"the queries have {queries.shape[1]} columns where the index has {columns}")
    if excluded_rows.shape != (queries.shape[0],):
        raise ValueError(f"{queries.shape[0]} queries need as many excluded rows, not {excluded_rows.shape}")
    if excluded_rows.dtype != np.int64:
        raise ValueError(f"excluded rows must be int64, not {excluded_rows.dtype}")
    if excluded_rows.min(initial=-1) < -1 or excluded_rows.max(initial=-1) >= rows:
        raise ValueError(f"excluded rows must be below {rows}, the number of rows, or -1 for none")
    check_layout(queries, "the queries")
    if not np.isfinite(queries.data).all() or (queries.data < 0).any():
        raise ValueError("the queries must hold finite values that are not negative")


def _portions(count: int, threads: int) -> Iterator[tuple[int, int]]:
    size = max(1, min(QUERIES_AT_ONCE, -(-count // threads)))
    return ((first, min(count, first + size)) for first in range(0, count, size))
