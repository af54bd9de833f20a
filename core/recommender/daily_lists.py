"""Lists of models that learn once a day: as they were built, or asked for again at each moment."""

from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import Algorithm
from core.recommender.replay import DAY_HOURS
from core.recommender.tail import Tail, TakesTail
from core.recommender.timed_interactions import TimedInteractions, places_of

_ROUNDING = 1e-6


class _Numbered(NamedTuple):
    """An algorithm that has learned, and the rows it has for all users and posts there are, -1 for those it has not.

    user_rows: (all users,); posts: of each column; learned_at, now: hours, up to which it learned and from which ages
    were counted.
    """

    algorithm: Algorithm
    user_rows: NDArray[np.int64]
    posts: NDArray[np.int64]
    learned_at: float
    now: float

    def columns(self, post_count: int) -> NDArray[np.int64]:
        """(all posts,)."""
        return places_of(self.posts, post_count)


class DailyModels:
    """One algorithm that learned at `first`, 24 hours after it, and so on; the last model asked for is kept."""

    def __init__(self, interactions: TimedInteractions, algorithm: Algorithm, first: float) -> None:
        """first: hours, as in the interactions' times."""
        self.interactions = interactions.where(np.argsort(interactions.times, kind="stable"))
        self._algorithm = algorithm
        self._first = first
        self._kept: _Numbered | None = None

    def learned_at(self, moment: float) -> float:
        """When the model learned that serves at a moment."""
        return self._first + DAY_HOURS * float(np.floor((moment - self._first) / DAY_HOURS + _ROUNDING))

    def up_to(self, moment: float) -> TimedInteractions:
        """What has happened by then."""
        return self.interactions.where(np.arange(np.searchsorted(self.interactions.times, moment, side="right")))

    def at(self, moment: float) -> _Numbered:
        """The model that serves at a moment."""
        learned_at = self.learned_at(moment)
        if self._kept is None or self._kept.learned_at != learned_at:
            self._kept = self._learned(learned_at)
        return self._kept

    def with_tail_at(self, moment: float) -> _Numbered:
        """The same with what has happened since. Raises ValueError for an algorithm that takes no tail."""
        model, known = self.at(moment), self.up_to(moment)
        if not isinstance(model.algorithm, TakesTail) or not model.algorithm.can_take_tail():
            raise ValueError("the algorithm takes no tail with these parameters")
        later, asked = known.times > model.learned_at, model.algorithm.asked_rows()
        is_outsider = ~np.append(asked, False)[model.user_rows[known.users]]
        outsiders = np.unique(known.users[later & is_outsider])
        user_rows = model.user_rows.copy()
        user_rows[outsiders] = len(asked) + np.arange(len(outsiders))
        new_posts = np.setdiff1d(known.posts[later], model.posts)
        numbered = model._replace(user_rows=user_rows, posts=np.concatenate((model.posts, new_posts)))
        counted = known.where(later | np.isin(known.users, outsiders))
        tail = counted._replace(
            users=user_rows[counted.users],
            posts=numbered.columns(known.post_count)[counted.posts],
            times=counted.times - model.now,
            user_count=len(asked) + len(outsiders),
            post_count=len(numbered.posts),
        )
        now = max(0.0, float(known.times[-1]) - model.now)
        return numbered._replace(algorithm=model.algorithm.with_tail(Tail(tail, now)))

    def _learned(self, learned_at: float) -> _Numbered:
        known = self.up_to(learned_at)
        users, posts = np.unique(known.users), np.unique(known.posts)
        user_rows, now = places_of(users, known.user_count), float(known.times[-1])
        compact = known._replace(
            users=user_rows[known.users],
            posts=places_of(posts, known.post_count)[known.posts],
            user_count=len(users),
            post_count=len(posts),
        )
        learned = copy(self._algorithm).fit(compact.matrices(now, self._algorithm.half_lives_hours))
        return _Numbered(learned, user_rows, posts, learned_at, now)


class DailyLists:
    """A ListSource. is_live: lists are made at each moment, by histories of then, not when the model had learned."""

    def __init__(self, models: DailyModels, *, is_live: bool, has_tail: bool = False, threads: int = 1) -> None:
        self._models = models
        self._is_live = is_live
        self._has_tail = has_tail
        self._threads = threads

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
        asked_at = moment - age_hours
        model = self._models.with_tail_at(asked_at) if self._has_tail else self._models.at(asked_at)
        histories = self._models.up_to(asked_at if self._is_live else model.learned_at)
        lines, columns = places_of(users, histories.user_count), model.columns(histories.post_count)
        asked = histories.where((lines[histories.users] >= 0) & (columns[histories.posts] >= 0))
        asked = asked._replace(
            users=lines[asked.users], posts=columns[asked.posts], user_count=len(users), post_count=len(model.posts)
        )
        now, algorithm = float(histories.times[-1]), model.algorithm
        queries = asked.matrix(now, algorithm.query_half_life_hours)
        had = asked._replace(weights=np.ones(len(asked.weights))).matrix(now, 0)
        rows = algorithm.recommend(queries, model.user_rows[users], had, limit, self._threads).rows
        lists: NDArray[np.int64] = np.where(rows >= 0, model.posts[rows], -1)
        return lists
