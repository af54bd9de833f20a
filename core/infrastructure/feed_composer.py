"""The feeds of many users by arrays, equal to what the plain composition makes of each."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.domain.composition import Composition
from core.domain.feed import Reason, Recommendation
from core.domain.popular import PopularFeed
from core.domain.ranking import ComposedFeed
from core.infrastructure.history_arrays import HistoryArrays
from core.infrastructure.ranking_model import RankingModel, rows_of_keys
from core.recommender.feed_filling import FilledFeeds, Rules, fill_feeds

# Where a UUID tells its version, and which one texts are turned into: see core.domain.ids.
_VERSION_BYTE, _TEXT_VERSION = 6, 5
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# A named tuple's own constructor is three times as slow, and there are a hundred and fifty in a feed.
_recommendation = partial(tuple.__new__, Recommendation)


class FeedComposer:
    """Keeps the ids of posts that it has told as objects: the same ones are in many feeds."""

    def __init__(self, model: RankingModel | None) -> None:
        """model: None where none is loaded; feeds are popular posts then."""
        self._model = model
        self._post_keys = np.empty(0, dtype="S16") if model is None else model.post_keys
        self._post_ids: NDArray[Any] = np.full(len(self._post_keys), None, dtype=object)
        self._is_told = np.zeros(len(self._post_keys), dtype=np.bool_)

    def compose(
        self, histories: HistoryArrays, popular: PopularFeed, composition: Composition
    ) -> tuple[Sequence[ComposedFeed], Sequence[UUID]]:
        """The feeds of those at the cold-start threshold, and the posts in them whose ids can stand for texts."""
        rows = rows_of_keys(self._post_keys, histories.post_keys)
        popular_keys = np.array([post_id.bytes for post_id in popular.post_ids], dtype="S16")
        popular_rows = rows_of_keys(self._post_keys, popular_keys)
        strangers, (seen, popular_codes) = self._coded((rows, histories.post_keys), (popular_rows, popular_keys))
        filled = fill_feeds(
            (histories.starts, seen),
            self._ranked(histories, rows, composition.depth),
            (popular_codes, np.array(popular.scores, dtype=np.float64)),
            len(self._post_keys) + len(strangers),
            Rules(composition.depth, composition.min_score, composition.cold_start_threshold),
        )
        keys, ids = self._used(filled, strangers)
        can_stand = _raw(keys)[:, _VERSION_BYTE] >> 4 == _TEXT_VERSION
        return self._told(histories, filled, self._known_and(strangers)), ids[can_stand].tolist()

    def _ranked(
        self, histories: HistoryArrays, rows: NDArray[np.int64], depth: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if self._model is None:
            nothing = (len(histories.user_keys), 0)
            return np.empty(nothing, dtype=np.int32), np.empty(nothing, dtype=np.float32)
        ranked = self._model.rank_arrays(histories, rows, depth)
        return ranked.rows, ranked.scores

    def _coded(
        self, *parts: tuple[NDArray[np.int64], NDArray[np.bytes_]]
    ) -> tuple[NDArray[np.bytes_], list[NDArray[np.int32]]]:
        """Codes of posts: rows, and after them places among those that the model does not know, which come first."""
        unknown = [keys[rows < 0] for rows, keys in parts]
        strangers = np.unique(np.concatenate(unknown))
        codes = []
        for (rows, _), keys in zip(parts, unknown, strict=True):
            code = rows.astype(np.int32)
            code[rows < 0] = len(self._post_keys) + np.searchsorted(strangers, keys)
            codes.append(code)
        return strangers, codes

    def _used(self, filled: FilledFeeds, strangers: NDArray[np.bytes_]) -> tuple[NDArray[np.bytes_], NDArray[Any]]:
        """The posts in the feeds, each once, as keys and as ids, which are objects from now on."""
        is_used = np.zeros(len(self._post_ids) + len(strangers), dtype=np.bool_)
        is_used[filled.posts[np.arange(filled.posts.shape[1]) < filled.lengths[:, None]]] = True
        known, unknown = is_used[: len(self._post_ids)], is_used[len(self._post_ids) :]
        new = np.flatnonzero(known & ~self._is_told)
        self._post_ids[new] = _ids(self._post_keys[new])
        self._is_told[new] = True  # not before: another thread may be at it
        keys = np.concatenate((self._post_keys[known], strangers[unknown]))
        return keys, np.concatenate((self._post_ids[known], _objects(_ids(strangers[unknown]))))

    def _known_and(self, strangers: NDArray[np.bytes_]) -> NDArray[Any]:
        """Ids by code."""
        return np.concatenate((self._post_ids, _objects(_ids(strangers)))) if len(strangers) else self._post_ids

    def _told(self, histories: HistoryArrays, filled: FilledFeeds, ids_by_code: NDArray[Any]) -> list[ComposedFeed]:
        chosen = np.flatnonzero(filled.lengths >= 0)
        if not len(chosen):
            return []
        ids = ids_by_code[filled.posts[chosen]].tolist() if len(ids_by_code) else [[]] * len(chosen)
        scores = filled.scores[chosen].tolist()
        users = _ids(histories.user_keys[chosen])
        moments = np.maximum.reduceat(histories.moments, histories.starts[:-1])[chosen].tolist()
        lengths, collaborative = filled.lengths[chosen].tolist(), filled.collaborative[chosen].tolist()
        return [
            ComposedFeed(
                users[place],
                _recommendations(ids[place], scores[place], lengths[place], collaborative[place]),
                _EPOCH + timedelta(microseconds=moments[place]),
            )
            for place in range(len(users))
        ]


def _recommendations(
    ids: list[UUID], scores: list[float], length: int, collaborative: int
) -> tuple[Recommendation, ...]:
    reasons = [Reason.COLLABORATIVE_FILTERING] * collaborative + [Reason.POPULAR] * (length - collaborative)
    return tuple(map(_recommendation, zip(ids, scores, reasons, strict=False)))  # unused places are longer


def _objects(ids: list[UUID]) -> NDArray[Any]:
    array = np.full(len(ids), None, dtype=object)
    array[:] = ids
    return array


def _raw(keys: NDArray[np.bytes_]) -> NDArray[np.uint8]:
    """(n, 16): all bytes, trailing zeros too."""
    return np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 16)


def _ids(keys: NDArray[np.bytes_]) -> list[UUID]:
    raw = _raw(keys).tobytes()
    return [UUID(bytes=raw[start : start + 16]) for start in range(0, len(raw), 16)]
