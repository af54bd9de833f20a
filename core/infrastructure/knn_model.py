"""A user-kNN model at work on live histories, and the arrays it is kept in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.domain.errors import ArtefactRefused
from core.domain.history import History
from core.domain.interaction import InteractionType, InteractionWeights
from core.recommender.interaction_matrix import decayed_weights, user_item_matrix
from core.recommender.user_knn import UserKNN

SECONDS_PER_HOUR = 3600
_KINDS = tuple(InteractionType)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}

RankedIds = tuple[tuple[UUID, float], ...]
"""Posts with raw scores, the best first."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """What interactions count: by type, and by age (half-life in hours, 0 for none)."""

    by_type: InteractionWeights
    half_life_hours: float

    def type_weights(self) -> NDArray[np.float64]:
        """Shape (4,): the weight of each type code, in the order of InteractionType."""
        return np.array([self.by_type.of(kind) for kind in _KINDS])


class KnnModel:
    """Ids on the outside, rows on the inside; users and posts are kept sorted by id.

    user_keys, post_keys: shape (n,), dtype S16, the 16 bytes of each UUID, ascending.
    """

    def __init__(
        self, algorithm: UserKNN, user_keys: NDArray[np.bytes_], post_keys: NDArray[np.bytes_], weighing: Weighing
    ) -> None:
        self.algorithm = algorithm
        self.user_keys = user_keys
        self.post_keys = post_keys
        self.weighing = weighing

    def rank(self, history: History, limit: int) -> RankedIds:
        """The best posts for the live history, with raw scores; the posts of the history are not among them."""
        (ranked,) = self.rank_many([history], limit)
        return ranked

    def rank_many(self, histories: Sequence[History], limit: int, threads: int = 1) -> list[RankedIds]:
        """The same for many histories, to the bit."""
        owners = np.repeat(np.arange(len(histories)), [len(history.interactions) for history in histories])
        acts = [interaction for history in histories for interaction in history.interactions]
        rows = _rows_of(self.post_keys, [act.post_id for act in acts])
        known, shape = rows >= 0, (len(histories), len(self.post_keys))
        weights = self._weights_of(histories)
        queries = user_item_matrix(owners[known], rows[known], weights[known], shape)
        seen = user_item_matrix(owners[known], rows[known], np.ones(int(known.sum())), shape)
        own_rows = _rows_of(self.user_keys, [history.user_id for history in histories])
        ranked = self.algorithm.recommend(queries, own_rows, seen, limit, threads)
        return [self._identified(found, scores) for found, scores in zip(*ranked, strict=True)]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything the model is, as numeric arrays by name."""
        return {
            **self.algorithm.to_arrays(),
            "user_keys": _raw(self.user_keys),
            "post_keys": _raw(self.post_keys),
            "type_weights": self.weighing.type_weights(),
            "half_life_hours": np.array([self.weighing.half_life_hours]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "KnnModel":
        """The model again, on these very arrays. Raises ArtefactRefused when they are not such a model."""
        try:
            user_keys, post_keys = (_keys(arrays[name]) for name in ("user_keys", "post_keys"))
            algorithm = _algorithm(arrays, len(user_keys), len(post_keys))
            by_type = InteractionWeights(*(float(weight) for weight in arrays["type_weights"]))
            return cls(algorithm, user_keys, post_keys, Weighing(by_type, float(arrays["half_life_hours"][0])))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ArtefactRefused(f"the model file is not a user-kNN model: {error}") from error

    def _weights_of(self, histories: Sequence[History]) -> NDArray[np.float64]:
        """Shape (all interactions,): what each counts at its history's data-now."""
        codes, ages = [], []
        for history in histories:
            for interaction in history.interactions:
                codes.append(_CODES[interaction.type])
                ages.append((history.data_now - interaction.created_at).total_seconds() / SECONDS_PER_HOUR)
        by_type = self.weighing.type_weights()[np.array(codes, dtype=np.int64)]
        return decayed_weights(by_type, np.array(ages, dtype=np.float64), self.weighing.half_life_hours)

    def _identified(self, rows: NDArray[np.int32], scores: NDArray[np.float32]) -> RankedIds:
        found = rows[rows >= 0]
        ids = (UUID(bytes=bytes(key)) for key in _raw(self.post_keys[found]))
        return tuple(zip(ids, scores[: len(found)].tolist(), strict=True))


def _algorithm(arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> UserKNN:
    if "indptr" not in arrays:
        return UserKNN.from_arrays(arrays, users, posts)
    # Models registered before there was an index hold the matrix alone.
    matrix = csr_array((arrays["weights"], arrays["indices"], arrays["indptr"]), shape=(users, posts))
    return UserKNN(n_neighbors=int(arrays["n_neighbors"][0])).fit(matrix)


def _keys(raw: NDArray[Any]) -> NDArray[np.bytes_]:
    """(n, 16) bytes as (n,) keys that compare like memcmp, without a copy."""
    if raw.dtype != np.uint8 or raw.ndim != 2 or raw.shape[1] != 16:
        raise ValueError("ids must be an array of 16 bytes each")
    return raw.view("S16")[:, 0]


def _raw(keys: NDArray[np.bytes_]) -> NDArray[np.uint8]:
    """(n,) keys as (n, 16) bytes; items of the keys themselves would lose trailing zero bytes."""
    return np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 16)


def _rows_of(keys: NDArray[np.bytes_], ids: Sequence[UUID]) -> NDArray[np.int64]:
    """The place of each id among the sorted keys, -1 for those that are not there."""
    wanted = np.array([one.bytes for one in ids], dtype="S16")
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1).astype(np.int64)
