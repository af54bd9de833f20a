"""The feeds of many users by arrays, equal to what the plain composition makes of each."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.domain.composition import Composition
from core.domain.popular import PopularFeed
from core.domain.ranking import ComposedFeed
from core.infrastructure.array_recommendations import recommendations_of
from core.infrastructure.history_arrays import HistoryArrays
from core.infrastructure.key_rows import NO_KEYS, KeyRows, ids_of, raw_keys
from core.infrastructure.postgres_moments import moment_of
from core.infrastructure.ranking_model import RankingModel
from core.recommender.feed_filling import FilledFeeds, Rules, fill_feeds

# Where a UUID tells its version, and which one texts are turned into: see core.domain.ids.
_VERSION_BYTE, _TEXT_VERSION = 6, 5


class FeedComposer:
    """Needs no object for a post: what is in a hundred and fifty places of each feed stays in arrays."""

    def __init__(self, model: RankingModel | None) -> None:
        """model: None where none is loaded; feeds are popular posts then."""
        self._model = model
        self._posts = KeyRows(NO_KEYS) if model is None else model.posts

    def compose(
        self, histories: HistoryArrays, popular: PopularFeed, composition: Composition
    ) -> tuple[Sequence[ComposedFeed], Sequence[UUID]]:
        """The feeds of those at the cold-start threshold, and the posts in them whose ids can stand for texts."""
        rows = self._posts.rows(histories.post_keys)
        popular_keys = np.array([post_id.bytes for post_id in popular.post_ids], dtype="S16")
        popular_rows = self._posts.rows(popular_keys)
        strangers, (seen, popular_codes) = self._coded((rows, histories.post_keys), (popular_rows, popular_keys))
        filled = fill_feeds(
            (histories.starts, seen),
            self._ranked(histories, rows, composition.depth),
            (popular_codes, np.array(popular.scores, dtype=np.float64)),
            len(self._posts) + len(strangers),
            Rules(composition.depth, composition.min_score, composition.cold_start_threshold),
        )
        chosen = np.flatnonzero(filled.lengths >= 0)
        filled = filled.of(chosen)
        keys = self._keys_of(filled.posts, strangers)
        newest = (
            np.maximum.reduceat(histories.moments, histories.starts[:-1])[chosen].tolist()
            if len(chosen)
            else list[int]()
        )
        sequences = histories.sequences[chosen].tolist()
        feeds = _feeds(histories.user_keys[chosen], keys, filled, newest, sequences)
        return feeds, _may_have_texts(keys, filled.lengths)

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
            code[rows < 0] = len(self._posts) + np.searchsorted(strangers, keys)
            codes.append(code)
        return strangers, codes

    def _keys_of(self, codes: NDArray[np.int32], strangers: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
        """(q, depth), dtype S16."""
        keys = np.zeros(codes.shape, dtype="S16")
        is_known = codes < len(self._posts)
        keys[is_known] = self._posts.keys(codes[is_known])
        if len(strangers):
            keys[~is_known] = strangers[codes[~is_known] - len(self._posts)]
        return keys


def _feeds(
    user_keys: NDArray[np.bytes_],
    keys: NDArray[np.bytes_],
    filled: FilledFeeds,
    newest: Sequence[int],
    sequences: Sequence[int],
) -> list[ComposedFeed]:
    """newest: (q,), microseconds since 2000; sequences: (q,)."""
    places = np.arange(keys.shape[1])
    reasons = (places >= filled.collaborative[:, None]).astype(np.uint8)
    recommendations = recommendations_of(keys, filled.scores, reasons, filled.lengths)
    moments = list(map(moment_of, newest))
    return list(map(ComposedFeed, ids_of(user_keys), recommendations, moments, sequences))


def _may_have_texts(keys: NDArray[np.bytes_], lengths: NDArray[np.int32]) -> list[UUID]:
    used = keys[np.arange(keys.shape[1]) < lengths[:, None]]
    return ids_of(np.unique(used[raw_keys(used)[:, _VERSION_BYTE] >> 4 == _TEXT_VERSION]))
