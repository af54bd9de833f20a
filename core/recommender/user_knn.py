"""User-based k nearest neighbours: what similar users liked, weighted by how similar they are."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import Contributions, InteractionMatrices, RankedPosts
from core.recommender.inverted_index import (
    InvertedIndex,
    SparseRows,
    check_index,
    check_rows,
    checked_matrix,
    inverted_index,
    sparse_rows,
)
from core.recommender.neighbour_kernels import voted, voted_by_reached
from core.recommender.neighbours import (
    Budget,
    Find,
    FindKeys,
    Keys,
    Neighbours,
    check_queries,
    cosine_finder,
    cosines_found,
    either_finder,
    found_by,
    key_finder,
    standing_in,
    top_neighbours,
)
from core.recommender.normalisation import UNPOPULAR_DAMPING, popularity_damping, scaled_columns, shrunk_rows
from core.recommender.parameters import Choice, Parameterised, Real, Whole, check_parameters, hours
from core.recommender.ranking import Barred, Blocked, Votes, ranked
from core.recommender.reused_buffers import zeros_reused
from core.recommender.tail import (
    NO_TAIL_VOTES,
    HeldTail,
    ReadersSince,
    Tail,
    TailVotes,
    newcomers,
    readers_since,
    tail_votes,
    without_faint,
)

BOUNDED_ADDITIONS = 8_000
"""A budget with which feeds lost nothing in nDCG@10 among very many users, in small communities and in large ones."""

MOST_ADDITIONS = 2**31 - 1

FAINTEST_VOTER = 2.0**-10
"""Whose strongest vote is fainter than this share of the strongest of all has nothing to say any more, and would only
take the place of somebody who has."""

_ROUNDING = np.float32(1 - 1e-6)


@dataclass(eq=False, repr=False)
class UserKNN(Parameterised):
    """Scores a post by Σ similarity(query, v) · vote(v, post) over the users v who are the query's neighbours.

    Resnick et al., GroupLens, CSCW 1994, without mean centring: implicit feedback has no ratings to centre.
    similarity: Σ x·y / ((|x| + shrinkage) (|y| + shrinkage)), the cosine where shrinkage is 0; where damping is 1, x
    and y are multiplied by 2.2 / (1.2 · (0.25 + 0.75 · popularity / mean popularity) + 1) for each post first, the
    length normalisation of BM25 (Robertson & Zaragoza, 2009) with popularity in the place of length.

    k: neighbours; where votes fade, those whose votes have faded are none. neighbourhood: `forward`, the k users most
    similar to the query; `reverse`, all users to whom the query is as similar as the last of their own k neighbours.
    similarity_half_life, vote_half_life: hours in which an interaction loses half its weight in the similarity and in
    the vote, 0 for none. post_half_life: hours since its first interaction in which a post loses half its votes, 0 for
    none. additions: 0 finds the exact neighbours; a higher number bounds the work for one query to that many additions:
    the similarity is then taken over the posts of the history that the fewest users have, which only the forward
    neighbourhood can do.

    Learned: `votes_`, SparseRows (users, posts); `index_`, the lists of the users' rows; `damping_`, (posts,), float32,
    what queries are multiplied by; `fading_`, (posts,), float32, what posts' ages leave of votes, None where nobody
    knows; `thresholds_`, (users,), float32, the similarity that a reverse neighbour asks for.
    """

    k: Annotated[int, Whole(1, 1_000_000, tuned=(10, 1000))] = 200
    shrinkage: Annotated[float, Real(0, 1_000_000, tuned=(0.01, 20))] = 0.0
    neighbourhood: Annotated[str, Choice(("forward", "reverse"))] = "forward"
    damping: Annotated[int, Whole(0, 1, tuned=(0, 1), linear=True)] = 0
    similarity_half_life: Annotated[float, hours(tuned=(24, 10_000))] = 0.0
    vote_half_life: Annotated[float, hours(tuned=(3, 10_000))] = 12.0
    post_half_life: Annotated[float, hours(tuned=(12, 10_000))] = 48.0
    additions: Annotated[int, Whole(0, MOST_ADDITIONS)] = 0

    @property
    def half_lives_hours(self) -> frozenset[float]:
        """Those of similarities and votes."""
        return frozenset((self.similarity_half_life, self.vote_half_life))

    @property
    def query_half_life_hours(self) -> float:
        """That of similarities."""
        return self.similarity_half_life

    @property
    def can_be_bounded(self) -> bool:
        """Whether additions may be other than 0."""
        return self.neighbourhood == "forward"

    def learning_bytes(self, posts: int) -> int:  # noqa: ARG002 - see Algorithm
        """Nothing: all it makes is as large as the interactions."""
        return 0

    def fit(self, matrices: InteractionMatrices, y: None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn from the user-item matrices of the same interactions. Raises ValueError."""
        check_parameters(self)
        if self.additions and not self.can_be_bounded:
            raise ValueError("additions bound the forward neighbourhood only: set one of them back")
        self._tail: HeldTail | None = None
        tastes = checked_matrix(matrices.under(self.similarity_half_life), "the user-item matrix")
        self.fading_: NDArray[np.float32] | None = matrices.post_fading(self.post_half_life)
        votes = self._votes(matrices)
        if float(votes.data.max(initial=0)) * self.k > float(np.finfo(np.float32).max):
            raise ValueError(f"weights up to {votes.data.max():.3g} are too large: votes would not stay finite")
        self.damping_ = popularity_damping(tastes) if self.damping else np.ones(tastes.shape[1], dtype=np.float32)
        self.votes_ = sparse_rows(votes)
        rows = self._similarity_rows(self._of_voters(tastes, votes), self.damping_)
        self.index_ = inverted_index(rows)
        self._list_lengths = self.index_.list_lengths
        self.thresholds_ = self._thresholds(rows)
        return self

    def can_take_tail(self) -> bool:
        """Not for reverse neighbours, whose thresholds are learned, nor where the fading of posts is not known."""
        return self.neighbourhood == "forward" and self.fading_ is not None

    def with_tail(self, tail: Tail) -> Self:
        """Votes of the tail are added to those of the learned neighbours; see TakesTail, and `tail_votes`."""
        users, posts = self.index_.row_count, len(self.damping_)
        shape = tail.interactions.user_count, tail.interactions.post_count
        if self.fading_ is None or not self.can_take_tail() or shape[0] < users or shape[1] < posts:
            raise ValueError(f"a tail of {shape[0]} users and {shape[1]} posts does not fit {users} and {posts}")
        halves = {"vote_half_life_hours": self.vote_half_life, "post_half_life_hours": self.post_half_life}
        damping = _with_later(self.damping_, shape[1], UNPOPULAR_DAMPING if self.damping else 1)
        rows = self._similarity_rows(newcomers(tail, users, self.similarity_half_life), damping)
        tailed = copy(self)
        votes = tail_votes(tail, self.votes_, self.fading_, **halves)
        tailed._tail = HeldTail(votes, inverted_index(rows), self._readers_since(tail, damping), damping)
        return tailed

    def asked_rows(self) -> NDArray[np.bool_]:
        """Those whose votes had not faded when the index was made."""
        return self.index_.occupied

    def kneighbors(self, queries: csr_array, own_rows: NDArray[np.int64], threads: int = 1) -> Neighbours:
        """The k most similar users to each query; a user's own trained row (-1 for none) is never among them."""
        asked = self._asked(queries, own_rows)
        return found_by(self._finder(asked, own_rows), queries.shape[0], self._neighbour_count, threads)

    def recommend(  # noqa: PLR0917 - see Algorithm
        self,
        queries: csr_array,
        own_rows: NDArray[np.int64],
        seen: csr_array,
        limit: int,
        threads: int = 1,
        blocked: Blocked = None,
    ) -> RankedPosts:
        """The `limit` best posts for each query, none of those it has seen; see Algorithm."""
        asked = self._asked(queries, own_rows)
        vote = self._reverse_vote(asked, own_rows) if len(self.thresholds_) else self._forward_vote(asked, own_rows)
        return ranked(vote, queries.shape, seen, limit, threads, blocked)

    def contributions(self, query: csr_array, own_row: int, post: int) -> Contributions:
        """The neighbours who have something to say of the post; see Algorithm."""
        rows, similarities = self._voters(query, np.array([own_row]))
        votes = self._votes_for(post, rows)
        voting = votes > 0
        return Contributions(of_users=True, rows=rows[voting], strengths=similarities[voting], votes=votes[voting])

    def learned_history(self, row: int) -> csr_array:
        """The user's row of similarities taken back to what it was made of, else of votes; see KeepsHistories."""
        columns, values = self._learned_row(row)
        weights = values / self._damping[columns]
        return csr_array((weights, columns, [0, len(columns)]), shape=(1, self._shape[1]))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, as numeric arrays by name."""
        index = self.index_._asdict()
        sizes = {name: np.array([index.pop(name)]) for name in ("row_count", "block_rows")}
        return (
            {**self.votes_._asdict(), **{f"index_{name}": array for name, array in index.items()}}
            | sizes
            | {"damping": self.damping_, "thresholds": self.thresholds_}
            | ({} if self.fading_ is None else {"fading": self.fading_})
        )

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Self:
        """This algorithm on these very arrays; contents beyond what keeps reads in bounds are not looked at."""
        check_parameters(self)
        self.votes_ = SparseRows(*(arrays[name] for name in SparseRows._fields))
        self.index_ = InvertedIndex(
            arrays["index_starts"], arrays["index_local_rows"], arrays["index_values"],
            int(arrays["row_count"][0]), int(arrays["block_rows"][0]),
        )  # fmt: skip
        check_rows(self.votes_, users, posts)
        check_index(self.index_, users, posts)
        self._list_lengths = self.index_.list_lengths
        # Models registered before there were these two did without.
        self.damping_ = arrays.get("damping", np.ones(posts, dtype=np.float32))
        self.thresholds_ = arrays.get("thresholds", np.empty(0, dtype=np.float32))
        self.fading_ = arrays.get("fading") if self.post_half_life else np.ones(posts, dtype=np.float32)
        self._tail = None
        if self.damping_.shape != (posts,) or len(self.thresholds_) not in (0, users):
            raise ValueError("its damping or thresholds do not fit together")
        if self.fading_ is not None and (self.fading_.shape != (posts,) or self.fading_.dtype != np.float32):
            raise ValueError("its fading does not fit together")
        return self

    def _voters(self, query: csr_array, own_rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The users whose votes count for the query, and how similar it is to each."""
        if not len(self.thresholds_):
            found = self.kneighbors(query, own_rows)
            nearest = found.rows[0] >= 0
            return found.rows[0][nearest].astype(np.int64), found.similarities[0][nearest].astype(np.float64)
        everyone = max(1, self.index_.row_count)
        found = cosine_finder(self._asked(query, own_rows), self.index_, everyone, own_rows)(0, 1)
        reached = (found.rows[0] >= 0) & (found.similarities[0] >= self.thresholds_[found.rows[0]])
        return found.rows[0][reached].astype(np.int64), found.similarities[0][reached].astype(np.float64)

    @property
    def _neighbour_count(self) -> int:
        return min(self.k, max(1, self._shape[0]))

    @property
    def _shape(self) -> tuple[int, int]:
        """Users and posts, those of the tail too."""
        newcomers = self._tail.newcomers.row_count if self._tail else 0
        return self.index_.row_count + newcomers, len(self._damping)

    @property
    def _damping(self) -> NDArray[np.float32]:
        return self._tail.damping if self._tail else self.damping_

    @property
    def _tail_votes(self) -> TailVotes:
        return self._tail.votes if self._tail else NO_TAIL_VOTES

    def _votes_for(self, post: int, users: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,): what these users' interactions say for the post."""
        learned = np.append(self.votes_.column(post), 0.0)[np.minimum(users, self.index_.row_count)]
        return learned * self._tail_votes.fade + self._tail_votes.column(post, users)

    def _learned_row(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if self._tail and row >= self.index_.row_count:
            return self._tail.newcomers.row(row - self.index_.row_count)
        columns, values = self.index_.row(row)
        if len(columns):
            return columns, values
        entries = slice(self.votes_.starts[row], self.votes_.starts[row + 1])
        return self.votes_.columns[entries], self.votes_.values[entries]

    @property
    def _budget(self) -> Budget | None:
        return Budget(self.additions, self._list_lengths) if self.additions else None

    def _votes(self, matrices: InteractionMatrices) -> csr_array:
        votes = checked_matrix(matrices.under(self.vote_half_life), "the user-item matrix")
        if not (self.vote_half_life or self.post_half_life):
            return votes
        return without_faint(scaled_columns(votes, matrices.post_fading(self.post_half_life)))

    def _of_voters(self, tastes: csr_array, votes: csr_array) -> csr_array:
        """The tastes of users who have something to say, in their rows; the other rows are empty."""
        if not (votes.nnz and (self.vote_half_life or self.post_half_life)):
            return tastes
        strongest = votes.max(axis=1).toarray()
        silent = strongest < FAINTEST_VOTER * votes.data.max(initial=0)
        heard = tastes.copy()
        heard.data[np.repeat(silent, np.diff(tastes.indptr))] = 0
        heard.eliminate_zeros()
        return heard

    def _similarity_rows(self, matrix: csr_array, damping: NDArray[np.float32]) -> csr_array:
        damped = scaled_columns(matrix, damping) if self.damping else matrix
        return shrunk_rows(damped, self.shrinkage)

    def _thresholds(self, rows: csr_array) -> NDArray[np.float32]:
        """(users,): the similarity of each user's last neighbour, or the least there is for those with fewer than k."""
        if self.neighbourhood == "forward":
            return np.empty(0, dtype=np.float32)
        own_rows = np.arange(rows.shape[0], dtype=np.int64)
        last = top_neighbours(rows, self.index_, self._neighbour_count, own_rows).similarities[:, -1]
        thresholds: NDArray[np.float32] = np.maximum(last * _ROUNDING, np.finfo(np.float32).tiny)
        return thresholds

    def _asked(self, queries: csr_array, own_rows: NDArray[np.int64]) -> SparseRows:
        checked = checked_matrix(queries, "the queries")
        check_queries(checked, self._shape, self.k, own_rows)
        return sparse_rows(self._similarity_rows(checked, self._damping))

    def _readers_since(self, tail: Tail, damping: NDArray[np.float32]) -> ReadersSince:
        users, posts = self.index_.row_count, len(self.damping_)
        rows, tastes = readers_since(tail, (users, posts), self.similarity_half_life)
        return ReadersSince(rows, inverted_index(self._similarity_rows(tastes, damping)[:, posts:]))

    def _learned_finder(self, asked: SparseRows, own_rows: NDArray[np.int64]) -> FindKeys:
        """By what was learned; for queries of later posts alone by what the learned users have done since."""
        users, posts = self.index_.row_count, len(self.damping_)
        known, k, own_learned = asked.up_to(posts), min(self.k, max(1, users)), np.where(own_rows < users, own_rows, -1)
        find = key_finder(known, self.index_, k, own_learned, self._budget)
        met_later_only = (np.diff(known.starts) == 0) & (np.diff(asked.starts) > 0)
        if not (self._tail and met_later_only.any()):
            return find
        readers = self._tail.readers
        find_readers = key_finder(asked.beyond(posts), readers.lists, k, readers.places(own_learned))
        return standing_in(find, find_readers, met_later_only, readers.rows)

    def _finder(self, asked: SparseRows, own_rows: NDArray[np.int64]) -> Find:
        users = self.index_.row_count
        find = self._learned_finder(asked, own_rows)
        if self._tail and self._tail.newcomers.row_count:
            late, own_late = self._tail.newcomers, np.maximum(own_rows - users, -1)
            find = either_finder(find, key_finder(asked, late, min(self.k, late.row_count), own_late), users)
        return cosines_found(find, self._neighbour_count)

    def _forward_vote(self, asked: SparseRows, own_rows: NDArray[np.int64]) -> Any:
        find, tail = self._finder(asked, own_rows), self._tail_votes

        def vote(first: int, last: int, barred: Barred, votes: Votes, best: Keys) -> None:
            voted(
                first, last, *find(first, last), *self.votes_, tail.fade, tail.rows, *tail.votes, *barred, votes, best
            )

        return vote

    def _reverse_vote(self, asked: SparseRows, own_rows: NDArray[np.int64]) -> Any:
        def vote(first: int, last: int, barred: Barred, votes: Votes, best: Keys) -> None:
            with zeros_reused("block sums", self.index_.block_rows) as sums:
                voted_by_reached(
                    first, last, *asked, own_rows, *self.index_, self.thresholds_, *self.votes_,
                    *barred, sums, votes, best,
                )  # fmt: skip

        return vote


def _with_later(damping: NDArray[np.float32], posts: int, of_later: float) -> NDArray[np.float32]:
    return np.append(damping, np.full(posts - len(damping), of_later, dtype=np.float32))
