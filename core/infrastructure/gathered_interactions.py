"""Interactions on their way into the user-item matrix: as numbers, all at once or a slice of users at a time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.infrastructure.adbc_interaction_table import InteractionColumns
from core.infrastructure.knn_model import SECONDS_PER_HOUR, Weighing
from core.recommender.id_dictionary import IdDictionary
from core.recommender.interaction_matrix import InteractionRows, decayed_weights, matrix_of_parts


class IdentifiedMatrix(NamedTuple):
    """The user-item matrix, and whose rows and columns it has.

    user_keys, post_keys: shapes (users,) and (posts,), S16, ascending; matrix: CSR (users, posts), float32, sorted.
    """

    user_keys: NDArray[np.bytes_]
    post_keys: NDArray[np.bytes_]
    matrix: csr_array


class ModelSize(NamedTuple):
    """What a model's size depends on: different users and posts, and pairs with an interaction that counts."""

    users: int
    posts: int
    pairs: int


class GatheredInteractions:
    """All interactions in the order in which they come, in 16 bytes each.

    count: interactions; oldest, newest: Unix seconds; users, posts: the ids met.
    """

    def __init__(self, weighing: Weighing, data_now: float) -> None:
        """data_now: the moment from which ages are counted, Unix seconds."""
        self._weighing = weighing
        self._data_now = data_now
        self._parts: list[InteractionRows] = []
        self.users, self.posts = IdDictionary(), IdDictionary()
        self.count = 0
        self.oldest, self.newest = np.inf, -np.inf

    def add(self, columns: InteractionColumns) -> None:
        """Take a batch in; nothing of it is kept."""
        users, posts = self.users.encode(columns.user_keys), self.posts.encode(columns.post_keys)
        self._parts.append(InteractionRows(users, posts, self._weights_of(columns)))
        self.count += len(columns.times)
        self.oldest = min(self.oldest, columns.times.min(initial=np.inf))
        self.newest = max(self.newest, columns.times.max(initial=-np.inf))

    def matrix(self) -> IdentifiedMatrix:
        """The matrix of everything gathered, which is gone then."""
        user_keys, user_ranks = self.users.sorted()
        post_keys, post_ranks = self.posts.sorted()
        return IdentifiedMatrix(user_keys, post_keys, matrix_of_parts(self._parts, user_ranks, post_ranks))

    def _weights_of(self, columns: InteractionColumns) -> NDArray[np.float64]:
        weights = self._weighing.type_weights()[columns.type_codes]
        ages_hours = (self._data_now - columns.times) / SECONDS_PER_HOUR
        return decayed_weights(weights, ages_hours, self._weighing.half_life_hours)


class SlicedInteractions(GatheredInteractions):
    """Interactions in the order of their users, of which only a slice is held; the rest is part of the matrix already.

    Users get their codes in the order of their ids, so that each slice's rows follow those of the slice before. held:
    interactions in memory; at most one batch and one user's more than a slice.
    """

    def __init__(self, weighing: Weighing, data_now: float, count: int, slice_rows: int) -> None:
        """count: how many interactions will come at the most; slice_rows: how many are held before they are summed."""
        super().__init__(weighing, data_now)
        self._slice_rows = slice_rows
        self.held = 0
        self._starts: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
        # Memory that nothing was written to costs nothing.
        self._indices, self._values = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.float32)
        self._user_count, self._pairs = 0, 0
        self._is_forgotten = False

    @property
    def size(self) -> ModelSize:
        """The size of the model so far."""
        return ModelSize(len(self.users), len(self.posts), self._pairs)

    def forget(self) -> None:
        """Only count from now on: there will be no matrix, but it will be known how large it were."""
        self._is_forgotten = True
        self._indices, self._values = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)

    def add(self, columns: InteractionColumns) -> None:
        """Take a batch in, whose users come after those of the batches before or go on with the last one."""
        super().add(columns)
        self.held += len(columns.times)
        if self.held >= self._slice_rows:
            self._sum(self._without_last_user())

    def complete(self) -> None:
        """Sum what is still held: nothing more comes."""
        held, self._parts = self._parts, []
        self._sum(held)

    def matrix(self) -> IdentifiedMatrix:
        """The matrix of everything that came, which `complete` has seen the end of."""
        user_keys, _ = self.users.sorted()
        post_keys, post_ranks = self.posts.sorted()
        for array in (self._indices, self._values):
            array.resize(self._pairs, refcheck=False)
        for first in range(0, self._pairs, self._slice_rows):
            part = slice(first, first + self._slice_rows)
            self._indices[part] = post_ranks[self._indices[part]]
        starts = np.concatenate(self._starts).astype(np.int32 if self._pairs < 2**31 else np.int64)
        matrix = csr_array((self._values, self._indices, starts), shape=(len(user_keys), len(post_keys)), copy=False)
        matrix.sort_indices()
        return IdentifiedMatrix(user_keys, post_keys, matrix)

    def _without_last_user(self) -> list[InteractionRows]:
        """What is held of all users but the last, of whom more may come; what is held then is the last user's."""
        last_user = len(self.users) - 1
        cuts = [int(np.searchsorted(part.users, last_user)) for part in self._parts]
        complete = [part.between(0, cut) for part, cut in zip(self._parts, cuts, strict=True)]
        self._parts = [
            part.between(cut, len(part.users)).copied() if cut else part
            for part, cut in zip(self._parts, cuts, strict=True)
            if cut < len(part.users)
        ]
        self.held = sum(len(part.users) for part in self._parts)
        return complete

    def _sum(self, parts: list[InteractionRows]) -> None:
        """Add the rows of these users, who are complete, to the matrix."""
        users = 1 + max((int(part.users[-1]) for part in parts if len(part.users)), default=self._user_count - 1)
        own_rows = [part._replace(users=part.users - np.int32(self._user_count)) for part in parts]
        shape = users - self._user_count, len(self.posts)
        rows = matrix_of_parts(own_rows, *(np.arange(count, dtype=np.int32) for count in shape))
        end = self._pairs + rows.nnz
        if not self._is_forgotten:
            self._indices[self._pairs : end], self._values[self._pairs : end] = rows.indices, rows.data
        self._starts.append(rows.indptr[1:].astype(np.int64) + self._pairs)
        self._user_count, self._pairs = users, end
