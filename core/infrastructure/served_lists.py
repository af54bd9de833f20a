"""The lists that a trained model would have served at moments of the past."""

import os

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.infrastructure.adbc_timed_interactions import IdentifiedInteractions
from core.infrastructure.key_rows import rows_of_keys
from core.infrastructure.ranking_model import RankingModel
from core.recommender.interaction_matrix import decayed_weights, user_item_matrix
from core.recommender.timed_interactions import places_of


class ServedLists:
    """A ListSource: the model stays as it is, the histories are as live as they were at each moment."""

    def __init__(self, model: RankingModel, interactions: IdentifiedInteractions) -> None:
        self._model = model
        self._interactions = interactions
        self._weighed = interactions.weighed(model.weights).interactions
        self._columns = rows_of_keys(model.post_keys, interactions.post_keys)
        self._posts = rows_of_keys(interactions.post_keys, model.post_keys)
        self._births = np.full(len(interactions.post_keys), np.inf)
        np.minimum.at(self._births, interactions.posts, interactions.times)

    def __call__(
        self,
        users: NDArray[np.int64],
        seen: csr_array,  # noqa: ARG002 - the same as the history, which is weighed here
        moment: float,
        horizon_hours: float,  # noqa: ARG002 - a model does not know what for it is asked
        limit: int,
        *,
        age_hours: float,
    ) -> NDArray[np.int64]:
        """Lists (q, at most limit) of posts that somebody had had by then, -1 at the end where there are fewer."""
        cut = moment - age_hours
        queries, history = self._histories(users, cut)
        own_rows = rows_of_keys(self._model.user_keys, self._interactions.user_keys[users])
        rows = self._model.algorithm.recommend(queries, own_rows, history, limit, os.cpu_count() or 1).rows
        posts = np.where(rows >= 0, self._posts[rows], -1)
        posts[(posts >= 0) & (self._births[posts] > cut)] = -1
        order = np.argsort(posts < 0, axis=1, kind="stable")
        lists: NDArray[np.int64] = np.take_along_axis(posts, order, axis=1)
        return lists

    def _histories(self, users: NDArray[np.int64], cut: float) -> tuple[csr_array, csr_array]:
        """CSR (q, the model's posts), twice: what each of these users' posts counts by then, and 1 for each."""
        known = int(np.searchsorted(self._weighed.times, cut, side="right"))
        line_of = places_of(users, self._weighed.user_count)
        lines, columns = line_of[self._weighed.users[:known]], self._columns[self._weighed.posts[:known]]
        wanted = (lines >= 0) & (columns >= 0)
        lines, columns, shape = lines[wanted], columns[wanted], (len(users), len(self._model.post_keys))
        ages = self._weighed.times[known - 1] - self._weighed.times[:known][wanted]
        half_life = self._model.algorithm.query_half_life_hours
        weights = decayed_weights(self._weighed.weights[:known][wanted], ages, half_life)
        return (
            user_item_matrix(lines, columns, weights, shape),
            user_item_matrix(lines, columns, np.ones(len(lines)), shape),
        )
