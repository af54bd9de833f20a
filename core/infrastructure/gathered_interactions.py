"""Interactions on their way into user-item matrices: as numbers, all at once or a slice of users at a time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.infrastructure.adbc_interaction_table import InteractionColumns
from core.infrastructure.interaction_digest import InteractionDigest
from core.recommender.algorithm import InteractionMatrices
from core.recommender.id_dictionary import IdDictionary
from core.recommender.interaction_matrix import InteractionRows, decayed_weights, matrix_of_parts

SECONDS_PER_HOUR = 3600
_FIRST_ROOM = 1024


class Weighing(NamedTuple):
    """What interactions count. by_type: (4,), of each type code; half_lives_hours: ascending, 0 for none."""

    by_type: NDArray[np.float64]
    half_lives_hours: tuple[float, ...]


class IdentifiedMatrices(NamedTuple):
    """The user-item matrices, and whose rows and columns they have.

    user_keys, post_keys: shapes (users,) and (posts,), S16, ascending; matrices: of users and posts in this order.
    """

    user_keys: NDArray[np.bytes_]
    post_keys: NDArray[np.bytes_]
    matrices: InteractionMatrices

    @property
    def pairs(self) -> int:
        """User-post pairs with an interaction that counts: those of the matrix that has the most."""
        return max(int(matrix.nnz) for matrix in self.matrices.by_half_life.values())


class ModelSize(NamedTuple):
    """What a model's size depends on: different users and posts, and the entries of all its matrices."""

    users: int
    posts: int
    pairs: int


class GatheredInteractions:
    """All interactions in the order in which they come, in 16 bytes each and 8 more for each further half-life.

    count: interactions; oldest, newest: Unix seconds; users, posts: the ids met; digest: of everything that came.
    """

    def __init__(self, weighing: Weighing, data_now: float) -> None:
        """data_now: the moment from which ages are counted, Unix seconds."""
        self._weighing = weighing
        self._data_now = data_now
        self._parts: dict[float, list[InteractionRows]] = {hours: [] for hours in weighing.half_lives_hours}
        self._births = np.full(_FIRST_ROOM, np.inf)
        self.users, self.posts = IdDictionary(), IdDictionary()
        self.digest = InteractionDigest()
        self.count = 0
        self.oldest, self.newest = np.inf, -np.inf

    def add(self, columns: InteractionColumns) -> None:
        """Take a batch in; nothing of it is kept."""
        users, posts = self.users.encode(columns.user_keys), self.posts.encode(columns.post_keys)
        weights = self._weighing.by_type[columns.type_codes]
        ages_hours = (self._data_now - columns.times) / SECONDS_PER_HOUR
        for half_life_hours, parts in self._parts.items():
            parts.append(_that_count(users, posts, decayed_weights(weights, ages_hours, half_life_hours)))
        self._note_births(posts, columns.times)
        self.digest.add(columns)
        self.count += len(columns.times)
        self.oldest = min(self.oldest, columns.times.min(initial=np.inf))
        self.newest = max(self.newest, columns.times.max(initial=-np.inf))

    def matrices(self) -> IdentifiedMatrices:
        """The matrices of everything gathered, which is gone then."""
        user_keys, user_ranks = self.users.sorted()
        post_keys, post_ranks = self.posts.sorted()
        by_half_life = {
            half_life_hours: matrix_of_parts(parts, user_ranks, post_ranks)
            for half_life_hours, parts in self._parts.items()
        }
        matrices = InteractionMatrices(by_half_life, self._post_ages_hours(post_ranks))
        return IdentifiedMatrices(user_keys, post_keys, matrices)

    def _note_births(self, posts: NDArray[np.int32], times: NDArray[np.float64]) -> None:
        room = len(self._births)
        if len(self.posts) > room:
            self._births = np.concatenate((self._births, np.full(max(room, len(self.posts) - room), np.inf)))
        np.minimum.at(self._births, posts, times)

    def _post_ages_hours(self, post_ranks: NDArray[np.int32]) -> NDArray[np.float64]:
        ages = np.empty(len(post_ranks))
        ages[post_ranks] = (self._data_now - self._births[: len(post_ranks)]) / SECONDS_PER_HOUR
        return np.maximum(ages, 0)


def _that_count(users: NDArray[np.int32], posts: NDArray[np.int32], weights: NDArray[np.float64]) -> InteractionRows:
    counting = weights > 0
    if counting.all():
        return InteractionRows(users, posts, weights)
    return InteractionRows(users[counting], posts[counting], weights[counting])


class _SummedRows:
    """The rows of one matrix, as many as are complete."""

    def __init__(self, count: int) -> None:
        """count: entries at the most."""
        self.starts: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
        self.pairs = 0
        self.is_forgotten = False
        # Memory that nothing was written to costs nothing.
        self.indices, self.values = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.float32)

    def forget(self) -> None:
        """Only count from now on."""
        self.is_forgotten = True
        self.indices, self.values = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)

    def add(self, rows: csr_array) -> None:
        """The next rows."""
        end = self.pairs + rows.nnz
        if not self.is_forgotten:
            self.indices[self.pairs : end], self.values[self.pairs : end] = rows.indices, rows.data
        self.starts.append(rows.indptr[1:].astype(np.int64) + self.pairs)
        self.pairs = end

    def matrix(self, post_ranks: NDArray[np.int32], columns_at_once: int) -> csr_array:
        """All rows, their columns in another order, so many entries at a time."""
        for array in (self.indices, self.values):
            array.resize(self.pairs, refcheck=False)
        for first in range(0, self.pairs, columns_at_once):
            part = slice(first, first + columns_at_once)
            self.indices[part] = post_ranks[self.indices[part]]
        starts = np.concatenate(self.starts).astype(np.int32 if self.pairs < 2**31 else np.int64)
        matrix = csr_array((self.values, self.indices, starts), shape=(len(starts) - 1, len(post_ranks)), copy=False)
        matrix.sort_indices()
        return matrix


class SlicedInteractions(GatheredInteractions):
    """Interactions in the order of their users, of which only a slice is held; the rest is part of a matrix already.

    Users get their codes in the order of their ids, so that each slice's rows follow those of the slice before. held:
    interactions in memory; at most one batch and one user's more than a slice.
    """

    def __init__(self, weighing: Weighing, data_now: float, count: int, slice_rows: int) -> None:
        """count: how many interactions will come at the most; slice_rows: how many are held before they are summed."""
        super().__init__(weighing, data_now)
        self._slice_rows = slice_rows
        self.held = 0
        self._summed = {hours: _SummedRows(count) for hours in weighing.half_lives_hours}
        self._user_count = 0

    @property
    def size(self) -> ModelSize:
        """The size of the model so far."""
        return ModelSize(len(self.users), len(self.posts), sum(summed.pairs for summed in self._summed.values()))

    def forget(self) -> None:
        """Only count from now on: there will be no matrix, but it will be known how large it were."""
        for summed in self._summed.values():
            summed.forget()

    def add(self, columns: InteractionColumns) -> None:
        """Take a batch in, whose users come after those of the batches before or go on with the last one."""
        super().add(columns)
        self.held += len(columns.times)
        if self.held >= self._slice_rows:
            self._sum(len(self.users) - 1)

    def complete(self) -> None:
        """Sum what is still held: nothing more comes."""
        self._sum(len(self.users))

    def matrices(self) -> IdentifiedMatrices:
        """The matrices of everything that came, which `complete` has seen the end of."""
        user_keys, _ = self.users.sorted()
        post_keys, post_ranks = self.posts.sorted()
        by_half_life = {
            half_life_hours: summed.matrix(post_ranks, self._slice_rows)
            for half_life_hours, summed in self._summed.items()
        }
        return IdentifiedMatrices(
            user_keys, post_keys, InteractionMatrices(by_half_life, self._post_ages_hours(post_ranks))
        )

    def _sum(self, user_count: int) -> None:
        """Add the rows of all users up to this number, who are complete, to the matrices; hold the others' on."""
        for half_life_hours, parts in self._parts.items():
            complete = _up_to(parts, user_count, self._user_count)
            shape = user_count - self._user_count, len(self.posts)
            ranks = (np.arange(count, dtype=np.int32) for count in shape)
            self._parts[half_life_hours] = _from_on(parts, user_count)
            parts.clear()
            self._summed[half_life_hours].add(matrix_of_parts(complete, *ranks))
        self.held = max(sum(len(part.users) for part in parts) for parts in self._parts.values())
        self._user_count = user_count


def _up_to(parts: list[InteractionRows], user: int, first_user: int) -> list[InteractionRows]:
    """The interactions of the users before this one, numbered from the first user on."""
    complete = [part.between(0, int(np.searchsorted(part.users, user))) for part in parts]
    return [part._replace(users=part.users - np.int32(first_user)) for part in complete]


def _from_on(parts: list[InteractionRows], user: int) -> list[InteractionRows]:
    """The interactions of this user and of later ones, in arrays of their own where they are a part of others."""
    cuts = [int(np.searchsorted(part.users, user)) for part in parts]
    return [
        part.between(cut, len(part.users)).copied() if cut else part
        for part, cut in zip(parts, cuts, strict=True)
        if cut < len(part.users)
    ]
