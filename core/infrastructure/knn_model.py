"""A user-kNN model at work on live histories, and the arrays it is kept in."""

from collections.abc import Iterable, Mapping
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

    def rank(self, history: History, limit: int) -> tuple[tuple[UUID, float], ...]:
        """The best posts for the live history, with raw scores; the posts of the history are not among them."""
        rows = _rows_of(self.post_keys, (interaction.post_id for interaction in history.interactions))
        query = self._query(history, rows)
        if not query.nnz:
            return ()
        own_row = _rows_of(self.user_keys, [history.user_id])
        (ranked,) = self.algorithm.recommend(query, own_row, [np.unique(rows[rows >= 0])], limit)
        ids = (UUID(bytes=bytes(key)) for key in _raw(self.post_keys[ranked.rows]))
        return tuple(zip(ids, ranked.scores.tolist(), strict=True))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything the model is, as numeric arrays by name."""
        weights = self.algorithm.weights_
        return {
            "user_keys": _raw(self.user_keys),
            "post_keys": _raw(self.post_keys),
            "indptr": weights.indptr,
            "indices": weights.indices,
            "weights": weights.data,
            "normalised": self.algorithm.normalised_.data,
            "n_neighbors": np.array([self.algorithm.n_neighbors]),
            "type_weights": self.weighing.type_weights(),
            "half_life_hours": np.array([self.weighing.half_life_hours]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "KnnModel":
        """The model again, on these very arrays. Raises ArtefactRefused when they are not such a model."""
        try:
            user_keys, post_keys = (_keys(arrays[name]) for name in ("user_keys", "post_keys"))
            shape = (len(user_keys), len(post_keys))
            layout = arrays["indices"], arrays["indptr"]
            algorithm = UserKNN(n_neighbors=int(arrays["n_neighbors"][0]))
            algorithm.weights_ = csr_array((arrays["weights"], *layout), shape=shape, copy=False)
            algorithm.normalised_ = csr_array((arrays["normalised"], *layout), shape=shape, copy=False)
            by_type = InteractionWeights(*(float(weight) for weight in arrays["type_weights"]))
            return cls(algorithm, user_keys, post_keys, Weighing(by_type, float(arrays["half_life_hours"][0])))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ArtefactRefused(f"the model file is not a user-kNN model: {error}") from error

    def _query(self, history: History, rows: NDArray[np.int64]) -> csr_array:
        known = rows >= 0
        interactions = history.interactions
        codes = np.array([_KINDS.index(interaction.type) for interaction in interactions], dtype=np.int64)
        ages = np.array(
            [
                (history.data_now - interaction.created_at).total_seconds() / SECONDS_PER_HOUR
                for interaction in interactions
            ]
        )
        weights = decayed_weights(self.weighing.type_weights()[codes], ages, self.weighing.half_life_hours)
        own = np.zeros(int(known.sum()), dtype=np.int64)
        return user_item_matrix(own, rows[known], weights[known], (1, len(self.post_keys)))


def _keys(raw: NDArray[Any]) -> NDArray[np.bytes_]:
    """(n, 16) bytes as (n,) keys that compare like memcmp, without a copy."""
    if raw.dtype != np.uint8 or raw.ndim != 2 or raw.shape[1] != 16:
        raise ValueError("ids must be an array of 16 bytes each")
    return raw.view("S16")[:, 0]


def _raw(keys: NDArray[np.bytes_]) -> NDArray[np.uint8]:
    """(n,) keys as (n, 16) bytes; items of the keys themselves would lose trailing zero bytes."""
    return np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 16)


def _rows_of(keys: NDArray[np.bytes_], ids: Iterable[UUID]) -> NDArray[np.int64]:
    """The place of each id among the sorted keys, -1 for those that are not there."""
    wanted = np.array([one.bytes for one in ids], dtype="S16")
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1).astype(np.int64)
