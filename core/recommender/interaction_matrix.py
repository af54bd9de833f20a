"""From interactions to the weighted user-item matrix."""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.compiled import arrays_of, compiled, outputs_of

IntArray = NDArray[np.int64] | NDArray[np.int32]
FloatArray = NDArray[np.float64]

MOST_ROWS = 2**31 - 1

FORGOTTEN = 40
"""Half-lives after which an interaction counts nothing instead of 2^-40: matrices of long histories stay small."""

_IMPOSSIBLE = "interaction weights must be finite and not negative"


def decayed_weights(weights: FloatArray, ages_hours: FloatArray, half_life_hours: float) -> FloatArray:
    """Each interaction's weight times 2^(-age / half-life); unchanged where the half-life is 0 (none).

    weights, ages_hours: shape (n,); ages below 0 (later than data-now) count as 0, and those beyond FORGOTTEN
    half-lives leave nothing. Raises ValueError for weights that are negative, NaN or infinite.
    """
    _check_weights(weights)
    if not half_life_hours:
        return weights
    ages = np.maximum(ages_hours, 0) / half_life_hours
    decayed: FloatArray = weights * np.where(ages > FORGOTTEN, 0, np.exp2(-ages))
    return decayed


class InteractionRows(NamedTuple):
    """n interactions: which row and which column of a matrix each belongs to, and what it counts.

    users, posts: shape (n,), int32; weights: shape (n,), float64, finite and not negative.
    """

    users: NDArray[np.int32]
    posts: NDArray[np.int32]
    weights: FloatArray

    def between(self, first: int, last: int) -> "InteractionRows":
        """Those from one place up to another; shares the arrays."""
        return InteractionRows(self.users[first:last], self.posts[first:last], self.weights[first:last])

    def copied(self) -> "InteractionRows":
        """The same in arrays of its own."""
        return InteractionRows(self.users.copy(), self.posts.copy(), self.weights.copy())


def user_item_matrix(
    user_rows: IntArray, post_rows: IntArray, weights: FloatArray, shape: tuple[int, int]
) -> csr_array:
    """The matrix of saturated weights log2(1 + Σ) over all interactions of a pair.

    user_rows, post_rows: shape (n,), positions in the matrix; weights: shape (n,), not negative. The result has the
    given shape (users, posts), dtype float32, int32 indices that are sorted, no explicit zeros, and does not depend on
    the order of the input: equal pairs are summed by rising weight. Raises ValueError for weights that are negative,
    NaN, infinite or infinite in sum, and for rows outside the shape or beyond 31 bits.
    """
    rows = _checked(user_rows, post_rows, weights, shape)
    # A few interactions of a wide matrix, as one user's history is, are not worth a look at all its columns.
    if len(rows.users) < max(shape) // 8:
        return _saturated(*_ordered_by_comparing(rows, shape[0]), shape)
    return matrix_of_parts([rows], *(np.arange(count, dtype=np.int32) for count in shape))


def matrix_of_parts(
    parts: list[InteractionRows], user_ranks: NDArray[np.int32], post_ranks: NDArray[np.int32]
) -> csr_array:
    """The same matrix of interactions that come in parts, which the list loses, and whose rows are to be reordered.

    user_ranks, post_ranks: shapes (users,) and (posts,), permutations: where in the result the row of each user and the
    column of each post shall be. The numbers in the parts must lie within them: that is not checked.
    """
    user_counts, post_counts = (np.zeros(len(ranks), dtype=np.int64) for ranks in (user_ranks, post_ranks))
    for part in parts:
        _count(part.users, part.posts, user_counts, post_counts)
    user_starts, post_starts = _starts(user_counts, user_ranks), _starts(post_counts, post_ranks)
    ordered = _ordered_by_counting(parts, user_starts, post_starts, user_ranks, post_ranks)
    return _saturated(user_starts, *ordered, (len(user_ranks), len(post_ranks)))


def _checked(user_rows: IntArray, post_rows: IntArray, weights: FloatArray, shape: tuple[int, int]) -> InteractionRows:
    if not len(user_rows) == len(post_rows) == len(weights):
        raise ValueError(f"{len(user_rows)} user rows, {len(post_rows)} post rows and {len(weights)} weights")
    _check_weights(weights)
    users, posts = _checked_rows(user_rows, shape[0], "user"), _checked_rows(post_rows, shape[1], "post")
    return InteractionRows(users, posts, np.ascontiguousarray(weights, dtype=np.float64))


def _check_weights(weights: FloatArray) -> None:
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(_IMPOSSIBLE)


def _checked_rows(rows: IntArray, count: int, name: str) -> NDArray[np.int32]:
    if count > MOST_ROWS:
        raise ValueError(f"{count:,} {name}s are too many: 31 bits cannot number them")
    if len(rows) and not (rows.min() >= 0 and rows.max() < count):
        raise ValueError(f"{name} rows must be at least 0 and less than {count:,}")
    return np.ascontiguousarray(rows, dtype=np.int32)


def _saturated(
    starts: NDArray[np.int64], posts: NDArray[np.int32], weights: FloatArray, shape: tuple[int, int]
) -> csr_array:
    """The matrix of interactions ordered by user and post; their arrays are used up."""
    values = np.empty(len(posts), dtype=np.float32)
    pairs = _sum_pairs(starts, posts, weights, values)
    if pairs < 0:
        raise ValueError(_IMPOSSIBLE)
    for array in (posts, values):
        array.resize(pairs, refcheck=False)
    # scipy wants both index arrays of one type.
    places = np.int32 if pairs <= MOST_ROWS else np.int64
    layout = posts.astype(places, copy=False), starts.astype(places, copy=False)
    return csr_array((values, *layout), shape=shape, copy=False)


def _ordered_by_comparing(
    rows: InteractionRows, user_count: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], FloatArray]:
    order = np.lexsort((rows.posts, rows.users))
    starts = np.concatenate(([0], np.cumsum(np.bincount(rows.users, minlength=user_count))))
    return starts, rows.posts[order], rows.weights[order]


def _ordered_by_counting(
    parts: list[InteractionRows],
    user_starts: NDArray[np.int64],
    post_starts: NDArray[np.int64],
    user_ranks: NDArray[np.int32],
    post_ranks: NDArray[np.int32],
) -> tuple[NDArray[np.int32], FloatArray]:
    """Posts and weights, (n,), by user and then by post: two passes, the second of which keeps the order of the first.

    Each user and each post has a place that is free next; where its row or column comes in the result is where these
    places begin.
    """
    count = post_starts[-1]
    users_by_post, weights_by_post = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.float64)
    free = post_starts[post_ranks]
    while parts:
        _scatter_by_post(*parts.pop(), free, users_by_post, weights_by_post)
    posts, weights = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.float64)
    _scatter_by_user(users_by_post, weights_by_post, post_starts, user_starts[user_ranks], posts, weights)
    return posts, weights


def _starts(counts: NDArray[np.int64], ranks: NDArray[np.int32]) -> NDArray[np.int64]:
    """(len + 1,): where the interactions of each rank begin."""
    starts = np.zeros(len(counts) + 1, dtype=np.int64)
    starts[1 + ranks.astype(np.int64)] = counts
    return np.cumsum(starts, out=starts)


@compiled(types.void, arrays_of(types.int32), arrays_of(types.int32), outputs_of(types.int64), outputs_of(types.int64))
def _count(users: Any, posts: Any, user_counts: Any, post_counts: Any) -> None:
    for entry in range(len(users)):
        user_counts[users[entry]] += 1
        post_counts[posts[entry]] += 1


@compiled(
    types.void, arrays_of(types.int32), arrays_of(types.int32), arrays_of(types.float64), outputs_of(types.int64),
    outputs_of(types.int32), outputs_of(types.float64),
)  # fmt: skip
def _scatter_by_post(  # noqa: PLR0917 - kernels know plain arrays only
    users: Any, posts: Any, weights: Any, free: Any, users_by_post: Any, weights_by_post: Any
) -> None:
    for entry in range(len(posts)):
        post = posts[entry]
        place = free[post]
        free[post] = place + 1
        users_by_post[place] = users[entry]
        weights_by_post[place] = weights[entry]


@compiled(
    types.void, arrays_of(types.int32), arrays_of(types.float64), arrays_of(types.int64), outputs_of(types.int64),
    outputs_of(types.int32), outputs_of(types.float64),
)  # fmt: skip
def _scatter_by_user(  # noqa: PLR0917 - kernels know plain arrays only
    users_by_post: Any, weights_by_post: Any, post_starts: Any, free: Any, posts: Any, weights: Any
) -> None:
    for post in range(len(post_starts) - 1):
        for entry in range(post_starts[post], post_starts[post + 1]):
            user = users_by_post[entry]
            place = free[user]
            free[user] = place + 1
            posts[place] = post
            weights[place] = weights_by_post[entry]


@compiled(
    types.int64, outputs_of(types.int64), outputs_of(types.int32), outputs_of(types.float64), outputs_of(types.float32)
)
def _sum_pairs(starts: Any, posts: Any, weights: Any, values: Any) -> int:
    """Close up the pairs that have a value at the front of `posts` and `values`; gives their count.

    `starts` then counts pairs instead of interactions. Gives -1 where a value is infinite.
    """
    pairs, entry = 0, 0
    for user in range(len(starts) - 1):
        end = starts[user + 1]
        starts[user] = pairs
        while entry < end:
            first, post = entry, posts[entry]
            while entry < end and posts[entry] == post:
                entry += 1
            if entry - first > 2:
                weights[first:entry].sort()
            total = 0.0
            for place in range(first, entry):
                total += weights[place]
            value = np.float32(np.log2(1.0 + total))
            if not np.isfinite(value):
                return -1
            if value > 0:
                posts[pairs] = post
                values[pairs] = value
                pairs += 1
    starts[len(starts) - 1] = pairs
    return pairs
