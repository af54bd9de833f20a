"""From interactions to the weighted user-item matrix."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def decayed_weights(weights: FloatArray, ages_hours: FloatArray, half_life_hours: float) -> FloatArray:
    """Each interaction's weight times 2^(-age / half-life); unchanged where the half-life is 0 (none).

    weights, ages_hours: shape (n,); ages below 0 (later than data-now) count as 0. Raises ValueError for weights that
    are negative, NaN or infinite.
    """
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("interaction weights must be finite and not negative")
    if not half_life_hours:
        return weights
    return weights * np.exp2(-np.maximum(ages_hours, 0) / half_life_hours)


def user_item_matrix(
    user_rows: IntArray, post_rows: IntArray, weights: FloatArray, shape: tuple[int, int]
) -> csr_array:
    """The matrix of saturated weights log2(1 + Σ) over all interactions of a pair.

    user_rows, post_rows: shape (n,), positions in the matrix; weights: shape (n,), not negative. The result has the
    given shape (users, posts), dtype float32, sorted indices and no explicit zeros, and does not depend on the order of
    the input: equal pairs are summed by rising weight.
    """
    order = np.lexsort((weights, post_rows, user_rows))
    users, posts, ordered = user_rows[order], post_rows[order], weights[order]
    starts = _starts_of_runs(users, posts)
    sums = np.add.reduceat(ordered, starts) if len(starts) else np.empty(0)
    values = np.log2(1 + sums).astype(np.float32)
    kept = values > 0
    matrix = csr_array((values[kept], (users[starts][kept], posts[starts][kept])), shape=shape)
    matrix.sort_indices()
    return matrix


def l2_normalised(matrix: csr_array) -> csr_array:
    """The same matrix with rows of Euclidean length 1; empty rows stay empty. Shares the index arrays."""
    lengths = np.sqrt(np.add.reduceat(np.append(matrix.data.astype(np.float64) ** 2, 0.0), matrix.indptr[:-1]))
    counts = np.diff(matrix.indptr)
    data = (matrix.data / np.repeat(lengths, counts)).astype(np.float32)
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _starts_of_runs(users: IntArray, posts: IntArray) -> IntArray:
    if not len(users):
        return np.empty(0, dtype=np.int64)
    changes = (np.diff(users) != 0) | (np.diff(posts) != 0)
    return np.concatenate(([0], np.flatnonzero(changes) + 1)).astype(np.int64)
