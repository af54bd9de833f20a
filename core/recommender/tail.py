"""What has happened since an algorithm learned: votes added to the learned ones, and users who speak for themselves."""

from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.compiled import arrays_of, compiled, outputs_of
from core.recommender.inverted_index import InvertedIndex, SparseRows, sparse_rows
from core.recommender.timed_interactions import TimedInteractions, places_of

FAINTEST_VOTE = 2.0**-40
"""Of the strongest one: fainter ones change no list, but cost as much as others."""


class Tail(NamedTuple):
    """Interactions of which a model has learned nothing.

    interactions: users and posts are the model's rows and columns, and further ones after these; times are hours since
    the data-now at which the model learned. A user after the model's is one who is to be a neighbour by what the tail
    has of them, be it that the model does not know them or that it does not ask them any more: all that such a user
    ever did is in the tail, and nothing under a row that the model has for them. now: hours since the same, at
    least 0.
    """

    interactions: TimedInteractions
    now: float


@runtime_checkable
class TakesTail(Protocol):
    """An algorithm that can count what happened after it learned; for others the next training has to come."""

    def can_take_tail(self) -> bool:
        """Whether it can with these parameters, and with what is known of how it learned."""
        ...

    def with_tail(self, tail: Tail) -> Self:
        """The same model with a tail, instead of the one it had: it recommends to all users, of all posts in there.

        Shares what was learned. Raises ValueError for a tail that does not fit.
        """
        ...

    def asked_rows(self) -> NDArray[np.bool_]:
        """(users,): which of the learned users can be neighbours."""
        ...


class TailVotes(NamedTuple):
    """Votes of the tail, to be added to the learned ones, all of which have lost the same share by now.

    fade: what is left of a learned vote, in (0, 1]; rows: (u,), int32, rising, the users who have votes here; votes:
    SparseRows (u, posts), of what each user's vote for a post is above the learned one.
    """

    fade: float
    rows: NDArray[np.int32]
    votes: SparseRows

    def column(self, post: int, users: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,): what these users' votes for a post have gained."""
        places = np.minimum(np.searchsorted(self.rows, users), max(0, len(self.rows) - 1))
        gained = self.votes.column(post)
        if not len(gained):
            return np.zeros(len(users))
        return np.where(self.rows[places] == users, gained[places], 0.0)


class ReadersSince(NamedTuple):
    """The learned users who have met posts after the learned ones.

    rows: (u,), int64, rising; lists: theirs, (u, later posts), of rows made of all that the tail has of them.
    """

    rows: NDArray[np.int64]
    lists: InvertedIndex

    def places(self, users: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,): where these users are in the lists, -1 for those who are not."""
        places = np.searchsorted(self.rows, users)
        is_there = np.append(self.rows, -1)[places] == users
        return np.where(is_there, places, -1)


class HeldTail(NamedTuple):
    """A tail as neighbours are looked for and asked in it.

    votes: of all who have any; newcomers: the lists of the users after the learned ones; readers: for those who have
    met later posts alone; damping: (posts,), float32, what queries are multiplied by.
    """

    votes: TailVotes
    newcomers: InvertedIndex
    readers: ReadersSince
    damping: NDArray[np.float32]


NO_TAIL_VOTES = TailVotes(
    1.0,
    np.empty(0, dtype=np.int32),
    SparseRows(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)),
)


def tail_votes(
    tail: Tail,
    learned: SparseRows,
    fading: NDArray[np.float32],
    *,
    vote_half_life_hours: float,
    post_half_life_hours: float,
) -> TailVotes:
    """What training on everything at `tail.now` would have made of the pairs in the tail, above the learned votes.

    learned: SparseRows (users, posts), saturated weights times `fading`, (posts,), each post's at the learned data-now;
    half-lives: 0 for none. A pair counts log2(1 + x + y), x being what is left of its learned interactions and y its
    interactions in the tail; learned votes for other pairs are taken for s · log2(1 + x0) where training would find
    log2(1 + s · x0), s being what the half-life leaves: at least ln(1 + x0) / x0 of it, and no more.
    """
    lost_to_age = _left(tail.now, vote_half_life_hours)
    fade = lost_to_age * _left(tail.now, post_half_life_hours)
    rows, codes = np.unique(tail.interactions.users, return_inverse=True)
    numbered = tail.interactions._replace(users=codes, user_count=len(rows))
    pairs = numbered.matrix(tail.now, vote_half_life_hours)
    before = np.zeros(pairs.nnz, dtype=np.float32)
    starts, columns, values = sparse_rows(pairs)
    _learned_values(rows.astype(np.int32), starts, columns, *learned, before)
    left = _unsaturated(before / np.maximum(_at(fading, columns), np.finfo(np.float32).tiny)) * lost_to_age
    now_fading = _fading_now(tail, fading, post_half_life_hours)[columns]
    counted = np.log2(1 + _unsaturated(values) + left) * now_fading
    pairs.data = np.maximum(0, counted - fade * before.astype(np.float64)).astype(np.float32)
    return TailVotes(fade, rows.astype(np.int32), sparse_rows(without_faint(pairs)))


def without_faint(votes: csr_array) -> csr_array:
    """The votes that can change a list, and no zeros."""
    kept = votes.copy()
    kept.data[kept.data < FAINTEST_VOTE * kept.data.max(initial=0)] = 0
    kept.eliminate_zeros()
    return kept


def newcomers(tail: Tail, learned_users: int, half_life_hours: float) -> csr_array:
    """CSR (newcomers, posts): saturated weights of the users after the learned ones."""
    theirs = tail.interactions.where(tail.interactions.users >= learned_users)
    count = max(0, tail.interactions.user_count - learned_users)
    return theirs._replace(users=theirs.users - learned_users, user_count=count).matrix(tail.now, half_life_hours)


def readers_since(tail: Tail, learned: tuple[int, int], half_life_hours: float) -> tuple[NDArray[np.int64], csr_array]:
    """The learned users who have met later posts, (u,), rising, and CSR (u, posts): saturated weights in the tail.

    learned: how many users and posts were.
    """
    users, posts = learned
    is_reader = np.zeros(tail.interactions.user_count, dtype=np.bool_)
    is_reader[tail.interactions.users[tail.interactions.posts >= posts]] = True
    is_reader[users:] = False
    rows = np.flatnonzero(is_reader)
    theirs = tail.interactions.where(is_reader[tail.interactions.users])
    numbered = theirs._replace(users=places_of(rows, len(is_reader))[theirs.users], user_count=len(rows))
    return rows, numbered.matrix(tail.now, half_life_hours)


def _fading_now(tail: Tail, fading: NDArray[np.float32], half_life_hours: float) -> NDArray[np.float64]:
    """(posts,): of the learned posts what is left, of later ones by their first interaction."""
    posts = len(fading)
    later = tail.interactions.post_ages(tail.now)[posts:]
    return np.concatenate((fading * _left(tail.now, half_life_hours), _left(later, half_life_hours)))


def _left(hours: Any, half_life_hours: float) -> Any:
    return np.exp2(-np.asarray(hours) / half_life_hours) if half_life_hours else np.ones_like(hours, dtype=np.float64)


def _unsaturated(values: NDArray[Any]) -> NDArray[np.float64]:
    """Σ of weights from log2(1 + Σ)."""
    sums: NDArray[np.float64] = np.expm1(values.astype(np.float64) * np.log(2))
    return sums


def _at(fading: NDArray[np.float32], columns: NDArray[np.int32]) -> NDArray[np.float32]:
    """1 for posts that were not learned: nothing is known before the tail that would have to be divided by it."""
    return np.append(fading, np.float32(1))[np.minimum(columns, len(fading))]


@compiled(
    types.void, arrays_of(types.int32), arrays_of(types.int64), arrays_of(types.int32), arrays_of(types.int64),
    arrays_of(types.int32), arrays_of(types.float32), outputs_of(types.float32),
)  # fmt: skip
def _learned_values(  # noqa: PLR0917 - kernels know plain arrays only
    rows: Any, starts: Any, columns: Any, row_starts: Any, row_columns: Any, row_values: Any, found: Any
) -> None:
    """Write the learned value of each pair; those that have none stay as they are. Columns rise within a row."""
    for place in range(len(rows)):
        row = rows[place]
        if row >= len(row_starts) - 1:
            continue
        for entry in range(starts[place], starts[place + 1]):
            low, high = row_starts[row], row_starts[row + 1]
            while low < high:
                middle = (low + high) >> 1
                if row_columns[middle] < columns[entry]:
                    low = middle + 1
                else:
                    high = middle
            if low < row_starts[row + 1] and row_columns[low] == columns[entry]:
                found[entry] = row_values[low]
