"""The temporal protocol: at each of a series of moments learn from the past, make lists, and judge them by what came.

At a moment T an algorithm learns from the interactions up to and including T - age, as a list of that age would have
been made, and its lists are judged by the first-time interactions in (T, T + horizon], those of pairs never seen
before: the same ones whatever the age. Nothing later than T - age reaches the algorithm, posts and users included.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import Algorithm, InteractionMatrices
from core.recommender.ranking_metrics import ndcg_at_k
from core.recommender.timed_interactions import TimedInteractions, first_times, places_of

DAY_HOURS, WEEK_HOURS = 24.0, 168.0
_ROUNDING = 1e-6

Target = Literal["known", "all"]
"""Relevant are the first-time interactions with posts that had one by T, or all of them: a post that had none is a miss
that no list could have avoided."""

Measure = Callable[[NDArray[np.integer[Any]], csr_array, int], NDArray[np.float64]]
"""One of ranking_metrics."""

Lists = NDArray[np.int64]
"""Posts, best first, -1 where there are fewer."""


class ListSource(Protocol):
    """Lists that no algorithm made, such as the best possible ones of a simulator."""

    def __call__(
        self,
        users: NDArray[np.int64],
        seen: csr_array,
        moment: float,
        horizon_hours: float,
        limit: int,
        *,
        age_hours: float,
    ) -> NDArray[np.integer[Any]]:
        """Lists (q, at most `limit`) for (moment, moment + horizon], of posts known `age_hours` before the moment.

        users: (q,), those asked for; seen: CSR (q, posts), the posts they had by then.
        """
        ...


@dataclass(frozen=True, slots=True)
class Replay:
    """When lists are made and by what they are judged.

    moments: hours in the interactions' reckoning, rising; horizon_hours: how long after a moment interactions are
    judged; list_ages_hours: how long before the moment the lists were made; limit: posts in a list; least_history:
    distinct posts up to a moment from which on a user counts as warm. Raises ValueError for what cannot be.
    """

    moments: tuple[float, ...]
    horizon_hours: float = DAY_HOURS
    list_ages_hours: tuple[float, ...] = (0.0, 1.0, 6.0, 24.0)
    limit: int = 10
    least_history: int = 5

    def __post_init__(self) -> None:
        if not self.moments or not all(earlier < later for earlier, later in pairwise(self.moments)):
            raise ValueError("the moments of a replay must be at least one, and rise")
        if not self.horizon_hours > 0:
            raise ValueError(f"the horizon must be longer than 0 hours, not {self.horizon_hours:g}")
        ages = self.list_ages_hours
        if not ages or len(set(ages)) < len(ages) or not all(0 <= age < np.inf for age in ages):
            raise ValueError(f"the ages of lists must be different numbers of hours, at least 0, not {ages}")
        if self.limit < 1:
            raise ValueError(f"limit must be at least 1, not {self.limit}")


def daily_moments(first: float, last: float) -> tuple[float, ...]:
    """`first` and every 24 hours after it up to and including `last`. Raises ValueError where `last` is before it."""
    return _moments(first, last, DAY_HOURS)


def weekly_moments(first: float, last: float) -> tuple[float, ...]:
    """`first` and every 168 hours after it up to and including `last`. Raises ValueError where `last` is before it."""
    return _moments(first, last, WEEK_HOURS)


class JudgedUsers(NamedTuple):
    """j pairs of a window and a user, by window and then by user: one line of every array of values each.

    windows: (j,), int64, places in the plan's moments; users: (j,), int64, by which bootstraps cluster; warm: (j,),
    bool, whether the user had `least_history` distinct posts by the moment.
    """

    windows: NDArray[np.int64]
    users: NDArray[np.int64]
    warm: NDArray[np.bool_]

    def where(self, wanted: NDArray[np.bool_]) -> "JudgedUsers":
        """Those alone. wanted: (j,)."""
        return JudgedUsers(self.windows[wanted], self.users[wanted], self.warm[wanted])


@dataclass(frozen=True)
class ReplayResult:
    """Lists and what they are judged by, for everyone with a first-time interaction in a window.

    everyone: j users in windows; relevant: CSR (j, posts), 1 for each post of a first-time interaction; births:
    (posts,), hours, each post's first interaction, infinite without; lists: by algorithm, one (j, limit) for each age.
    """

    plan: Replay
    everyone: JudgedUsers
    relevant: csr_array
    births: NDArray[np.float64]
    lists: Mapping[str, tuple[Lists, ...]] = field(repr=False)

    def judged(self, target: Target) -> JudgedUsers:
        """Whom the values are of: the same users for every algorithm, age and measure; nobody, perhaps, by `known`."""
        return self.everyone.where(self._judged_by(target))

    def values(
        self, algorithm: str, target: Target, age_hours: float, measure: Measure = ndcg_at_k, k: int | None = None
    ) -> NDArray[np.float64]:
        """(j,): the measure at k, the plan's limit unless told, for each of `judged(target)`; higher is better.

        Raises KeyError for an algorithm and ValueError for an age or a k that were not replayed, and where
        nobody is judged.
        """
        k = self.plan.limit if k is None else k
        if k > self.plan.limit:
            raise ValueError(f"lists of {self.plan.limit} posts cannot be judged at {k}")
        lists = self.lists[algorithm][self._place_of(age_hours)]
        judged = self._judged_by(target)
        if not judged.any():
            raise ValueError("nobody to judge: all first-time interactions in the windows are with new posts")
        return measure(lists[judged], self._relevant(target)[judged], k)

    def unreachable_share(self, age_hours: float = 0.0) -> float:
        """What part of the first-time interactions are with posts that a list of that age could not know."""
        return float(np.mean(self._unborn(age_hours)))

    def _place_of(self, age_hours: float) -> int:
        if age_hours not in self.plan.list_ages_hours:
            raise ValueError(f"lists of {age_hours:g} hours were not replayed: there are {self.plan.list_ages_hours}")
        return self.plan.list_ages_hours.index(age_hours)

    def _unborn(self, age_hours: float) -> NDArray[np.bool_]:
        """For each entry of `relevant`, whether the post had no interaction by then."""
        made = np.array(self.plan.moments)[self.everyone.windows] - age_hours
        unborn: NDArray[np.bool_] = self.births[self.relevant.indices] > np.repeat(made, np.diff(self.relevant.indptr))
        return unborn

    def _relevant(self, target: Target) -> csr_array:
        return self.relevant if target == "all" else self._known_relevant

    @cached_property
    def _known_relevant(self) -> csr_array:
        known = self.relevant.copy()
        known.data[self._unborn(0)] = 0
        known.eliminate_zeros()
        return known

    def _judged_by(self, target: Target) -> NDArray[np.bool_]:
        judged: NDArray[np.bool_] = np.diff(self._relevant(target).indptr) > 0
        return judged


def _ignore(_done: int, _total: int) -> None:
    """Nobody watches."""


def replayed(
    interactions: TimedInteractions,
    algorithms: Mapping[str, Algorithm],
    plan: Replay,
    on_step: Callable[[int, int], None] = _ignore,
    *,
    sources: Mapping[str, ListSource] | None = None,
    threads: int = 1,
) -> ReplayResult:
    """Lists of every algorithm and source at every moment and age, beside what they are judged by.

    algorithms: by name, not learned and left so; on_step: told how many of all trainings are done. A user without a
    history asks with nothing and gets what the algorithm answers to that. Raises ValueError for moments outside the
    interactions, for windows in which there is nobody to judge, and where an algorithm does.
    """
    ordered = interactions.where(np.argsort(interactions.times, kind="stable"))
    _check_inside(ordered.times, plan)
    judged = _everyone(ordered, plan)
    lists = {
        name: tuple(np.full((len(judged.everyone.users), plan.limit), -1) for _ in plan.list_ages_hours)
        for name in (*algorithms, *(sources or {}))
    }
    asked_at = _asked_at(plan, judged.everyone.windows)
    for done, (cut, asked) in enumerate(sorted(asked_at.items())):
        past = _Past(ordered, cut)
        for name, algorithm in algorithms.items():
            _fill(lists[name], asked, judged.everyone.users, _lists_by(algorithm, past, plan.limit, threads))
        for name, source in (sources or {}).items():
            for made in asked:
                _fill(lists[name], [made], judged.everyone.users, _lists_from(source, past, made, plan))
        on_step(done + 1, len(asked_at))
    return ReplayResult(plan, judged.everyone, judged.relevant, judged.births, lists)


class _Judged(NamedTuple):
    everyone: JudgedUsers
    relevant: csr_array
    births: NDArray[np.float64]


class _Made(NamedTuple):
    """Lists made at one cut for one window. age: place in the plan; lines: where the window's users are."""

    age: int
    moment: float
    age_hours: float
    lines: slice


ListsFor = Callable[[NDArray[np.int64]], Lists]


def _moments(first: float, last: float, step: float) -> tuple[float, ...]:
    if not first <= last:
        raise ValueError(f"there are no moments from {first:g} to {last:g}")
    # Hours are counted from a moment that is no whole number of steps away.
    count = int((last - first) / step + _ROUNDING) + 1
    return tuple(float(moment) for moment in first + step * np.arange(count))


def _check_inside(times: NDArray[np.float64], plan: Replay) -> None:
    if not len(times):
        raise ValueError("there are no interactions to replay")
    earliest = min(plan.moments) - max(plan.list_ages_hours)
    if earliest < times[0]:
        raise ValueError(
            f"lists made at {earliest:g} hours have nothing to learn from: the interactions begin at {times[0]:g}"
        )
    if max(plan.moments) >= times[-1]:
        raise ValueError(f"nothing is after {max(plan.moments):g} hours: the interactions end at {times[-1]:g}")


def _everyone(ordered: TimedInteractions, plan: Replay) -> _Judged:
    firsts = ordered.where(first_times(ordered))
    births = np.full(ordered.post_count, np.inf)
    np.minimum.at(births, firsts.posts, firsts.times)
    parts = [_window(firsts, moment, plan) for moment in plan.moments]
    counts = [len(users) for users, _, _ in parts]
    if not any(counts):
        raise ValueError("nobody to judge: no first-time interactions in the windows")
    everyone = JudgedUsers(
        np.repeat(np.arange(len(parts)), counts),
        np.concatenate([users for users, _, _ in parts]),
        np.concatenate([warm for _, warm, _ in parts]),
    )
    posts = [posts for _, _, of_users in parts for posts in of_users]
    starts = np.concatenate(([0], np.cumsum([len(some) for some in posts])))
    columns = np.concatenate(posts)
    relevant = csr_array((np.ones(len(columns)), columns, starts), shape=(len(posts), ordered.post_count))
    return _Judged(everyone, relevant, births)


def _window(
    firsts: TimedInteractions, moment: float, plan: Replay
) -> tuple[NDArray[np.int64], NDArray[np.bool_], list[NDArray[np.int64]]]:
    """Who is judged, who of them is warm, and the posts of each, rising."""
    start, end = np.searchsorted(firsts.times, (moment, moment + plan.horizon_hours), side="right")
    users, posts = firsts.users[start:end], firsts.posts[start:end]
    order = np.lexsort((posts, users))
    judged, places = np.unique(users[order], return_index=True)
    histories = np.bincount(firsts.users[:start], minlength=firsts.user_count)[judged]
    of_users = np.split(posts[order], places[1:]) if len(judged) else []
    return judged, histories >= plan.least_history, of_users


def _asked_at(plan: Replay, windows: NDArray[np.int64]) -> dict[float, list[_Made]]:
    """By moment of making, the lists to make: a day-old list is made when a fresh one of the day before is."""
    bounds = np.searchsorted(windows, np.arange(len(plan.moments) + 1))
    asked: dict[float, list[_Made]] = {}
    for window, moment in enumerate(plan.moments):
        lines = slice(int(bounds[window]), int(bounds[window + 1]))
        for place, age_hours in enumerate(plan.list_ages_hours):
            if lines.start < lines.stop:
                asked.setdefault(moment - age_hours, []).append(_Made(place, moment, age_hours, lines))
    return asked


def _fill(lists: tuple[Lists, ...], asked: list[_Made], users: NDArray[np.int64], lists_for: ListsFor) -> None:
    wanted = np.unique(np.concatenate([users[made.lines] for made in asked]))
    answered = lists_for(wanted)
    for made in asked:
        mine = answered[np.searchsorted(wanted, users[made.lines])]
        lists[made.age][made.lines, : mine.shape[1]] = mine


class _Past:
    """What was known at one moment, in rows and columns of the users and posts that there were."""

    def __init__(self, ordered: TimedInteractions, cut: float) -> None:
        known = ordered.where(np.arange(np.searchsorted(ordered.times, cut, side="right")))
        self.cut, self.now, self.all_posts = cut, float(known.times[-1]), ordered.post_count
        self.users, self.posts = np.unique(known.users), np.unique(known.posts)
        self._row_of = places_of(self.users, ordered.user_count)
        self._known = known._replace(
            users=self._row_of[known.users],
            posts=places_of(self.posts, ordered.post_count)[known.posts],
            user_count=len(self.users),
            post_count=len(self.posts),
        )
        self._matrices: dict[float, csr_array] = {}

    def matrices(self, half_lives_hours: frozenset[float]) -> InteractionMatrices:
        """What an algorithm with these half-lives learns from; each matrix is made once."""
        return InteractionMatrices({each: self._under(each) for each in half_lives_hours}, self._post_ages)

    def rows(self, users: NDArray[np.int64]) -> NDArray[np.int64]:
        """(q,): -1 for users without a history."""
        return self._row_of[users]

    def histories(self, users: NDArray[np.int64], half_life_hours: float) -> csr_array:
        """CSR (q, known posts): weights."""
        return _picked(self._under(half_life_hours), self.rows(users))

    def seen(self, users: NDArray[np.int64]) -> csr_array:
        """CSR (q, known posts): 1 for all that these users had, weightless ones included."""
        return _picked(self._seen, self.rows(users))

    @cached_property
    def _seen(self) -> csr_array:
        return self._known._replace(weights=np.ones(len(self._known.weights))).matrix(self.now, 0)

    @cached_property
    def _post_ages(self) -> NDArray[np.float64]:
        return self._known.post_ages(self.now)

    def _under(self, half_life_hours: float) -> csr_array:
        if half_life_hours not in self._matrices:
            self._matrices[half_life_hours] = self._known.matrix(self.now, half_life_hours)
        return self._matrices[half_life_hours]


def _lists_by(algorithm: Algorithm, past: _Past, limit: int, threads: int) -> ListsFor:
    def lists_for(users: NDArray[np.int64]) -> Lists:
        learned = copy(algorithm).fit(past.matrices(algorithm.half_lives_hours))
        queries = past.histories(users, algorithm.query_half_life_hours)
        rows = learned.recommend(queries, past.rows(users), past.seen(users), limit, threads).rows
        return np.where(rows >= 0, past.posts[rows], -1)

    return lists_for


def _lists_from(source: ListSource, past: _Past, made: _Made, plan: Replay) -> ListsFor:
    def lists_for(users: NDArray[np.int64]) -> Lists:
        seen = past.seen(users)
        of_all = csr_array(
            (seen.data, past.posts[seen.indices], seen.indptr.astype(np.int64)), shape=(len(users), past.all_posts)
        )
        lists = source(users, of_all, made.moment, plan.horizon_hours, plan.limit, age_hours=made.age_hours)
        if not np.isin(lists[lists >= 0], past.posts).all():
            raise ValueError(f"a source recommends posts that were not known at {past.cut:g} hours")
        return lists.astype(np.int64)

    return lists_for


def _picked(matrix: csr_array, rows: NDArray[np.int64]) -> csr_array:
    """These rows of a matrix, empty for -1. rows: (q,)."""
    starts = np.append(matrix.indptr, matrix.indptr[-1:])
    # The last row, which is what -1 picks, is now an empty one.
    return csr_array((matrix.data, matrix.indices, starts), shape=(matrix.shape[0] + 1, matrix.shape[1]))[rows]
