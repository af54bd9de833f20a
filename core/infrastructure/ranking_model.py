"""A model at work on live histories, and the arrays it is kept in."""

import json
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.domain.errors import ArtefactRefused
from core.domain.history import History
from core.domain.interaction import InteractionType, InteractionWeights
from core.infrastructure.history_arrays import HistoryArrays
from core.infrastructure.key_rows import KeyRows, ids_of, raw_keys
from core.recommender.algorithm import Algorithm, InteractionMatrices, KeepsHistories, RankedPosts
from core.recommender.interaction_matrix import decayed_weights, user_item_matrix
from core.recommender.registry import ALGORITHMS, algorithm_named

SECONDS_PER_HOUR = 3600
_KINDS = tuple(InteractionType)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}

RankedIds = tuple[tuple[UUID, float], ...]
"""Posts with raw scores, the best first."""


class Recalled(NamedTuple):
    """A ranking for the history that a model has learned, and the posts of that history."""

    ranked: RankedIds
    post_ids: frozenset[UUID]


class Query(NamedTuple):
    """One history as rows: weights, CSR (1, posts); own_row: the user's in the model, -1 for none."""

    weights: csr_array
    own_row: int


def type_weights(weights: InteractionWeights) -> NDArray[np.float64]:
    """Shape (4,): what each type code counts, in the order of InteractionType."""
    return np.array([weights.of(kind) for kind in _KINDS])


class RankingModel:
    """Ids on the outside, rows on the inside; learned users and posts are kept sorted by id.

    users, posts: the rows of all, those of a tail too; blocked: (posts,), which posts are not recommended, None for
    none.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        user_keys: NDArray[np.bytes_],
        post_keys: NDArray[np.bytes_],
        weights: InteractionWeights,
    ) -> None:
        """algorithm: one of the registry's, that has learned; user_keys, post_keys: (n,), S16, ascending."""
        self.algorithm = algorithm
        self.users = KeyRows(user_keys)
        self.posts = KeyRows(post_keys)
        self.weights = weights
        self.blocked: NDArray[np.bool_] | None = None

    @property
    def user_keys(self) -> NDArray[np.bytes_]:
        """(n,), S16, ascending: the users that were learned."""
        return self.users.ascending

    @property
    def post_keys(self) -> NDArray[np.bytes_]:
        """(n,), S16, ascending: the posts that were learned."""
        return self.posts.ascending

    def with_tail(self, algorithm: Algorithm, later_users: NDArray[np.bytes_], later_posts: NDArray[np.bytes_]) -> Self:
        """The same model by an algorithm that has a tail, whose later users and posts these are, in order of rows.

        Posts that were blocked have to be blocked again.
        """
        tailed = copy(self)
        tailed.algorithm = algorithm
        tailed.users, tailed.posts = KeyRows(self.user_keys, later_users), KeyRows(self.post_keys, later_posts)
        tailed.blocked = None
        return tailed

    def without(self, blocked: NDArray[np.bool_] | None) -> Self:
        """The same model that recommends none of these posts to anybody, and all others. blocked: (posts,)."""
        rest = copy(self)
        rest.blocked = blocked
        return rest

    def rank(self, history: History, limit: int) -> RankedIds:
        """The best posts for the live history, with raw scores; the posts of the history are not among them."""
        (ranked,) = self.rank_many([history], limit)
        return ranked

    def rank_many(self, histories: Sequence[History], limit: int, threads: int = 1) -> list[RankedIds]:
        """The same for many histories, to the bit."""
        owners = np.repeat(np.arange(len(histories)), [len(history.interactions) for history in histories])
        acts = [interaction for history in histories for interaction in history.interactions]
        rows = self.posts.rows(keys_of([act.post_id for act in acts]))
        known, shape = rows >= 0, (len(histories), len(self.posts))
        weights = self._weights_of(histories)
        queries = user_item_matrix(owners[known], rows[known], weights[known], shape)
        seen = user_item_matrix(owners[known], rows[known], np.ones(int(known.sum())), shape)
        own_rows = self.users.rows(keys_of([history.user_id for history in histories]))
        ranked = self.algorithm.recommend(queries, own_rows, seen, limit, threads, self.blocked)
        return [self._identified(found, scores) for found, scores in zip(*ranked, strict=True)]

    def rank_arrays(
        self, histories: HistoryArrays, post_rows: NDArray[np.int64], limit: int, threads: int = 1
    ) -> RankedPosts:
        """The same, to the bit, with rows on the outside too. post_rows: (m,), of the histories' posts, -1: unknown."""
        known, shape = post_rows >= 0, (len(histories.user_keys), len(self.posts))
        owners, rows = histories.owners[known], post_rows[known]
        hours = (histories.data_now - histories.moments[known]) / 1_000_000 / SECONDS_PER_HOUR
        by_type = type_weights(self.weights)[histories.type_codes[known]]
        weights = decayed_weights(by_type, hours, self.algorithm.query_half_life_hours)
        queries = user_item_matrix(owners, rows, weights, shape)
        seen = user_item_matrix(owners, rows, np.ones(len(rows)), shape)
        return self.algorithm.recommend(
            queries, self.users.rows(histories.user_keys), seen, limit, threads, self.blocked
        )

    def recall(self, user_id: UUID, limit: int) -> Recalled | None:
        """The same for the user's history as it was learned; None where nothing (any more) is known of it."""
        own_rows = self.users.rows(keys_of([user_id]))
        if own_rows[0] < 0 or not isinstance(self.algorithm, KeepsHistories):
            return None
        learned = self.algorithm.learned_history(int(own_rows[0]))
        if not learned.nnz:
            return None
        ranked = self.algorithm.recommend(learned, own_rows, learned, limit, blocked=self.blocked)
        (found,) = (self._identified(rows, scores) for rows, scores in zip(*ranked, strict=True))
        return Recalled(found, frozenset(self.post_ids(learned.indices)))

    def query_of(self, history: History) -> Query:
        """The history as the algorithm is asked with it."""
        rows = self.posts.rows(keys_of([act.post_id for act in history.interactions]))
        known = rows >= 0
        weights = self._weights_of([history])[known]
        row_of_each = np.zeros(int(known.sum()), dtype=np.int64)
        matrix = user_item_matrix(row_of_each, rows[known], weights, (1, len(self.posts)))
        return Query(matrix, int(self.users.rows(keys_of([history.user_id]))[0]))

    def knows_any_of(self, post_keys: Sequence[bytes]) -> bool:
        """Whether it might recommend any of these posts."""
        return bool((self.posts.rows(np.array(post_keys, dtype="S16")) >= 0).any())

    def post_row(self, post_id: UUID) -> int:
        """The post's column, -1 for one that the model has never met."""
        return int(self.posts.rows(keys_of([post_id]))[0])

    def user_ids(self, rows: NDArray[np.integer[Any]]) -> list[UUID]:
        """Of these rows."""
        return ids_of(self.users.keys(rows))

    def post_ids(self, rows: NDArray[np.integer[Any]]) -> list[UUID]:
        """Of these columns."""
        return ids_of(self.posts.keys(rows))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything the model is, as numeric arrays by name."""
        return {
            **self.algorithm.to_arrays(),
            "algorithm": _as_array({"name": _name_of(self.algorithm), "parameters": self.algorithm.get_params()}),
            "user_keys": raw_keys(self.user_keys),
            "post_keys": raw_keys(self.post_keys),
            "type_weights": type_weights(self.weights),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "RankingModel":
        """The model again, on these very arrays. Raises ArtefactRefused when they are not such a model."""
        try:
            user_keys, post_keys = (_keys(arrays[name]) for name in ("user_keys", "post_keys"))
            algorithm = _algorithm(arrays, len(user_keys), len(post_keys))
            weights = InteractionWeights(*(float(weight) for weight in arrays["type_weights"]))
            return cls(algorithm, user_keys, post_keys, weights)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ArtefactRefused(f"the model file is not one of ours: {error}") from error

    def _weights_of(self, histories: Sequence[History]) -> NDArray[np.float64]:
        """Shape (all interactions,): what each counts at its history's data-now."""
        codes, ages = [], []
        for history in histories:
            for interaction in history.interactions:
                codes.append(_CODES[interaction.type])
                ages.append((history.data_now - interaction.created_at).total_seconds() / SECONDS_PER_HOUR)
        by_type = type_weights(self.weights)[np.array(codes, dtype=np.int64)]
        return decayed_weights(by_type, np.array(ages, dtype=np.float64), self.algorithm.query_half_life_hours)

    def _identified(self, rows: NDArray[np.int32], scores: NDArray[np.float32]) -> RankedIds:
        found = rows[rows >= 0]
        return tuple(zip(self.post_ids(found), scores[: len(found)].tolist(), strict=True))


def _algorithm(arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Algorithm:
    if "algorithm" not in arrays:
        return _early_user_knn(arrays, users, posts)
    described = json.loads(arrays["algorithm"].tobytes())
    return algorithm_named(described["name"], described["parameters"]).with_arrays(arrays, users, posts)


def _early_user_knn(arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Algorithm:
    """Models registered before there were other algorithms have one half-life, and the first ones no index."""
    half_life = float(arrays["half_life_hours"][0])
    algorithm = algorithm_named(
        "user_knn",
        {
            "k": int(arrays["n_neighbors"][0]),
            "additions": int(arrays["additions"][0]) if "additions" in arrays else 0,
            "similarity_half_life": half_life,
            "vote_half_life": half_life,
            "post_half_life": 0.0,
        },
    )
    if "indptr" not in arrays:
        return algorithm.with_arrays(arrays, users, posts)
    matrix = csr_array((arrays["weights"], arrays["indices"], arrays["indptr"]), shape=(users, posts))
    return algorithm.fit(InteractionMatrices.timeless(matrix))


def _name_of(algorithm: Algorithm) -> str:
    return next(name for name, kind in ALGORITHMS.items() if type(algorithm) is kind)


def _as_array(described: Mapping[str, Any]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(described, sort_keys=True).encode(), dtype=np.uint8)


def _keys(raw: NDArray[Any]) -> NDArray[np.bytes_]:
    """(n, 16) bytes as (n,) keys that compare like memcmp, without a copy."""
    if raw.dtype != np.uint8 or raw.ndim != 2 or raw.shape[1] != 16:
        raise ValueError("ids must be an array of 16 bytes each")
    return raw.view("S16")[:, 0]


def keys_of(ids: Collection[UUID]) -> NDArray[np.bytes_]:
    """(n,), S16: the bytes of each id."""
    return np.array([one.bytes for one in ids], dtype="S16")
