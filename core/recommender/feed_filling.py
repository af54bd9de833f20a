"""Feeds of many users at once: what neighbours found, cut and scaled, then popular posts."""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from core.recommender.compiled import arrays_of, compiled, outputs_of

BELOW_THRESHOLD = -1


class FilledFeeds(NamedTuple):
    """Of q users, best first.

    posts: (q, depth), int32, codes; scores: (q, depth), float64, in [0, 1]; collaborative: (q,), int32, how many of
    the first are from the ranking, the others being popular; lengths: (q,), int32, how many places count,
    BELOW_THRESHOLD for a user with fewer posts than that.
    """

    posts: NDArray[np.int32]
    scores: NDArray[np.float64]
    collaborative: NDArray[np.int32]
    lengths: NDArray[np.int32]

    def of(self, users: NDArray[np.int64]) -> "FilledFeeds":
        """Those of the users in these places."""
        return FilledFeeds(self.posts[users], self.scores[users], self.collaborative[users], self.lengths[users])


class Rules(NamedTuple):
    """depth: places; min_score: least share of the best collaborative score; threshold: least distinct posts."""

    depth: int
    min_score: float
    threshold: int


def fill_feeds(
    histories: tuple[NDArray[np.int64], NDArray[np.int32]],
    ranked: tuple[NDArray[np.int32], NDArray[np.float32]],
    popular: tuple[NDArray[np.int32], NDArray[np.float64]],
    code_count: int,
    rules: Rules,
) -> FilledFeeds:
    """Scores relative to the best; popular posts follow at half the last collaborative score at the most.

    histories: starts (q + 1,) and codes of the posts seen; ranked: codes (q, width), -1 for none, and raw scores, best
    first; popular: codes and scores, best first; code_count: codes are from 0 up to this. Raises ValueError for a code
    that is not.
    """
    starts, seen = histories
    rows, raw = ranked
    for codes in (seen, rows, popular[0]):
        if codes.size and not (codes.min() >= -1 and codes.max() < code_count):
            raise ValueError(f"codes must be less than {code_count:,}")
    count = len(starts) - 1
    posts, scores = np.zeros((count, rules.depth), dtype=np.int32), np.zeros((count, rules.depth))
    collaborative, lengths = np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.int32)
    marks = np.full(max(1, code_count), -1, dtype=np.int32)
    _fill(
        starts, np.ascontiguousarray(seen), np.ascontiguousarray(rows), np.ascontiguousarray(raw), *popular,
        rules.min_score, rules.threshold, marks, posts, scores, collaborative, lengths,
    )  # fmt: skip
    return FilledFeeds(posts, scores, collaborative, lengths)


@compiled(
    types.void, arrays_of(types.int64), arrays_of(types.int32), arrays_of(types.int32, 2), arrays_of(types.float32, 2),
    arrays_of(types.int32), arrays_of(types.float64), types.float64, types.int64, outputs_of(types.int32),
    outputs_of(types.int32, 2), outputs_of(types.float64, 2), outputs_of(types.int32), outputs_of(types.int32),
)  # fmt: skip
def _fill(  # noqa: PLR0917, PLR0912, C901 - kernels know plain arrays only; one pass over each user
    starts: Any, seen: Any, rows: Any, raw: Any, popular: Any, popular_scores: Any, min_score: float, threshold: int,
    marks: Any, posts: Any, scores: Any, collaborative: Any, lengths: Any,
) -> None:  # fmt: skip
    depth = posts.shape[1]
    for user in range(len(starts) - 1):
        distinct = 0
        for place in range(starts[user], starts[user + 1]):
            if marks[seen[place]] != user:
                marks[seen[place]] = user
                distinct += 1
        if distinct < threshold:
            lengths[user] = -1
            continue
        filled, best = 0, 0.0
        for place in range(rows.shape[1]):
            code = rows[user, place]
            if code < 0 or filled == depth:
                break
            if marks[code] == user:
                continue
            if best == 0.0:
                best = np.float64(raw[user, place])
            score = np.float64(raw[user, place]) / best
            if score >= min_score:
                marks[code] = user
                posts[user, filled], scores[user, filled] = code, score
                filled += 1
        collaborative[user] = filled
        ceiling = scores[user, filled - 1] / 2 if filled else 1.0
        best = 0.0
        for place in range(len(popular)):
            if filled == depth:
                break
            if marks[popular[place]] == user:
                continue
            if best == 0.0:
                best = popular_scores[place]
            posts[user, filled], scores[user, filled] = popular[place], ceiling * popular_scores[place] / best
            filled += 1
        lengths[user] = filled
