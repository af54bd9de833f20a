"""The temporal protocol against a case worked by hand and a plain second one, and what must never leak."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import InteractionMatrices, RankedPosts
from core.recommender.ranking_metrics import hit_at_k, recall_at_k
from core.recommender.replay import Replay, ReplayResult, daily_moments, replayed, weekly_moments
from core.recommender.timed_interactions import TimedInteractions
from core.recommender.user_knn import UserKNN

SECOND = 1 / math.log2(3)
"""What a hit at rank 2 gains."""


def of(*interactions: tuple[float, int, int], users: int = 6, posts: int = 6) -> TimedInteractions:
    times, who, what = (np.array(column) for column in zip(*interactions, strict=True))
    return TimedInteractions(who, what, np.ones(len(who)), times.astype(np.float64), users, posts)


@dataclass
class Scored:
    """An algorithm whose scores need all it is given: both half-lives, queries, own rows and the ages of posts."""

    slow: float = 40.0
    fast: float = 15.0
    query: float = 25.0
    fits: list[int] = field(default_factory=list)

    @property
    def half_lives_hours(self) -> frozenset[float]:
        return frozenset((self.slow, self.fast))

    @property
    def query_half_life_hours(self) -> float:
        return self.query

    def fit(self, matrices: InteractionMatrices) -> Self:
        self.fits.append(matrices.under(self.slow).shape[1])
        assert set(matrices.by_half_life) == self.half_lives_hours
        self.slow_matrix, self.fast_matrix = (matrices.under(each).toarray() for each in (self.slow, self.fast))
        self.newness = np.exp2(-matrices.post_ages_hours / 30)
        return self

    def recommend(
        self, queries: csr_array, own_rows: NDArray[np.int64], seen: csr_array, limit: int, threads: int = 1
    ) -> RankedPosts:
        own = np.where(own_rows >= 0, self.slow_matrix[own_rows].sum(axis=1), 0)
        scores = (
            self.slow_matrix.sum(axis=0)
            + queries.toarray().sum(axis=1)[:, None] * self.fast_matrix.sum(axis=0) * self.newness
            + own[:, None] * self.fast_matrix.max(axis=0)
        )
        return best(scores, seen, limit)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Self:
        return self


class Counted(Scored):
    """Posts by how many users they had."""

    def __init__(self) -> None:
        super().__init__(slow=0, fast=0, query=0)

    def recommend(  # noqa: PLR0917 - see Algorithm
        self,
        queries: csr_array,
        own_rows: NDArray[np.int64],
        seen: csr_array,
        limit: int,
        threads: int = 1,
        blocked: NDArray[np.bool_] | None = None,
    ) -> RankedPosts:
        return best(np.tile(self.slow_matrix.sum(axis=0), (queries.shape[0], 1)), seen, limit)


def best(scores: NDArray[Any], seen: csr_array, limit: int) -> RankedPosts:
    scores = np.where(seen.toarray() > 0, 0, scores)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :limit]
    found = np.take_along_axis(scores, rows, axis=1)
    return RankedPosts(np.where(found > 0, rows, -1).astype(np.int32), found.astype(np.float32))


def made_up(count: int = 400, seed: int = 0, users: int = 30, posts: int = 25) -> TimedInteractions:
    random = np.random.default_rng(seed)
    births = random.uniform(0, 200, posts)
    chosen = random.integers(0, posts, count)
    return TimedInteractions(
        random.integers(0, users, count),
        chosen,
        random.choice([0.5, 1.0, 2.0], count),
        births[chosen] + random.exponential(30, count),
        users,
        posts,
    )


BY_HAND = of(
    (0, 0, 0), (1, 1, 0), (2, 1, 1),
    (25, 1, 2), (26, 2, 2), (27, 3, 2),
    (31, 0, 2), (32, 0, 3), (33, 2, 0), (34, 4, 3), (35, 1, 0), (40, 3, 1), (41, 2, 1),
)  # fmt: skip


def replayed_by_hand() -> ReplayResult:
    plan = Replay((30.0,), horizon_hours=10, list_ages_hours=(0.0, 6.0), limit=2, least_history=1)
    return replayed(BY_HAND, {"counted": Counted()}, plan)


def test_users_are_judged_by_what_they_take_for_the_first_time_within_the_horizon() -> None:
    result = replayed_by_hand()

    assert result.judged("known").users.tolist() == [0, 2, 3]
    assert result.judged("all").users.tolist() == [0, 2, 3, 4]
    assert result.judged("all").windows.tolist() == [0, 0, 0, 0]
    assert result.judged("all").warm.tolist() == [True, True, True, False]


def test_lists_of_each_age_hold_what_was_popular_then_and_is_new_to_the_user() -> None:
    fresh, old = replayed_by_hand().lists["counted"]

    assert fresh.tolist() == [[2, 1], [0, 1], [0, 1], [2, 0]]
    assert old.tolist() == [[1, -1], [0, 1], [0, 1], [0, 1]]


def test_values_are_those_worked_by_hand() -> None:
    result = replayed_by_hand()

    assert result.values("counted", "known", 0) == pytest.approx([1, 1, SECOND])
    assert result.values("counted", "known", 6) == pytest.approx([0, 1, SECOND])
    assert result.values("counted", "all", 0) == pytest.approx([1 / (1 + SECOND), 1, SECOND, 0])
    assert result.values("counted", "all", 0, recall_at_k).tolist() == [0.5, 1, 1, 0]
    assert result.values("counted", "known", 0, hit_at_k, k=1).tolist() == [1, 1, 0]


def test_interactions_with_posts_that_no_list_could_know_are_counted() -> None:
    result = replayed_by_hand()

    assert result.unreachable_share() == pytest.approx(2 / 5)
    assert result.unreachable_share(6) == pytest.approx(3 / 5)


def test_what_happens_at_the_moment_itself_is_known_and_at_the_end_of_the_horizon_judged() -> None:
    interactions = of((0, 0, 0), (10, 1, 1), (20, 0, 1), (20.5, 1, 0))

    result = replayed(interactions, {"counted": Counted()}, Replay((10.0,), 10, (0.0,)))

    assert result.judged("known").users.tolist() == [0]
    assert result.lists["counted"][0].tolist() == [[1] + [-1] * 9]


def test_who_has_no_history_gets_the_answer_to_an_empty_one() -> None:
    plan = Replay((30.0,), 10, (0.0,), limit=2)

    result = replayed(BY_HAND, {"counted": Counted(), "user_knn": UserKNN()}, plan)

    assert result.lists["counted"][0][-1].tolist() == [2, 0]
    assert result.lists["user_knn"][0][-1].tolist() == [-1, -1]
    assert result.values("user_knn", "all", 0)[-1] == 0


@pytest.mark.parametrize("age", [0.0, 7.0, 24.0])
def test_nothing_later_than_the_list_changes_it(age: float) -> None:
    interactions, plan = made_up(), Replay((100.0, 130.0), 24, (age,))
    algorithms = {"scored": Scored(), "user_knn": UserKNN()}
    random = np.random.default_rng(5)
    later = np.flatnonzero(interactions.times > 130 - age)
    posts, users, times = (column.copy() for column in (interactions.posts, interactions.users, interactions.times))
    posts[later], users[later] = random.integers(0, 25, len(later)), random.integers(0, 30, len(later))
    times[later] = random.uniform(130.0 - age + 0.001, 300, len(later))

    before = replayed(interactions, algorithms, plan)
    after = replayed(interactions._replace(posts=posts, users=users, times=times), algorithms, plan)

    first, second = (lists_by_user(result, 1) for result in (before, after))
    both = first.keys() & second.keys()
    assert len(both) > 5
    assert all(first[each] == second[each] for each in both)


def lists_by_user(result: ReplayResult, window: int) -> dict[tuple[str, int], list[int]]:
    return {
        (name, int(user)): ages[0][line].tolist()
        for name, ages in result.lists.items()
        for line, (at, user) in enumerate(zip(result.everyone.windows, result.everyone.users, strict=True))
        if at == window
    }


def test_lists_and_values_are_those_of_a_plain_second_replay() -> None:
    interactions = made_up()
    plan = Replay((60.0, 84.0, 130.0), 24, (0.0, 5.0, 24.0), limit=4, least_history=3)

    result = replayed(interactions, {"scored": Scored()}, plan)

    for target in ("known", "all"):
        expected = plain_replay(interactions, plan, target)
        judged = result.judged(target)
        keys = list(zip(judged.windows.tolist(), judged.users.tolist(), judged.warm.tolist(), strict=True))
        assert keys == [key for key, _ in expected]
        for place, age in enumerate(plan.list_ages_hours):
            assert result.values("scored", target, age) == pytest.approx([values[place] for _, values in expected])


Row = tuple[float, int, int, float]


def plain_replay(
    interactions: TimedInteractions, plan: Replay, target: str
) -> list[tuple[tuple[int, int, bool], list[float]]]:
    columns = (interactions.times, interactions.users, interactions.posts, interactions.weights)
    rows: list[Row] = sorted(zip(*(column.tolist() for column in columns), strict=True))
    judged = []
    for window, moment in enumerate(plan.moments):
        past = [row for row in rows if row[0] <= moment]
        born = {post for _, _, post, _ in past}
        for user in range(interactions.user_count):
            had = {post for _, who, post, _ in past if who == user}
            coming = {p for t, who, p, _ in rows if who == user and moment < t <= moment + plan.horizon_hours} - had
            relevant = coming & born if target == "known" else coming
            if relevant:
                values = [
                    plain_ndcg(
                        plain_list([row for row in rows if row[0] <= moment - age], user)[: plan.limit], relevant, 4
                    )
                    for age in plan.list_ages_hours
                ]
                judged.append(((window, user, len(had) >= plan.least_history), values))
    return judged


def plain_list(past: list[Row], user: int) -> list[int]:
    now, scored = max(row[0] for row in past), Scored()
    slow, fast, query = (plain_weights(past, now, each) for each in (scored.slow, scored.fast, scored.query))
    taste = sum(weight for (who, _), weight in query.items() if who == user)
    own = sum(weight for (who, _), weight in slow.items() if who == user)
    scores = {}
    for post in {row[2] for row in past} - {row[2] for row in past if row[1] == user}:
        age = now - min(row[0] for row in past if row[2] == post)
        recent = [weight for (_, what), weight in fast.items() if what == post]
        total = sum(weight for (_, what), weight in slow.items() if what == post)
        scores[post] = total + taste * sum(recent) * 2 ** (-age / 30) + own * max(recent)
    return sorted(scores, key=lambda post: -scores[post])


def plain_weights(past: list[Row], now: float, half_life: float) -> dict[tuple[int, int], float]:
    sums: dict[tuple[int, int], float] = {}
    for time, user, post, weight in past:
        sums[user, post] = sums.get((user, post), 0) + weight * 2 ** (-(now - time) / half_life)
    return {pair: math.log2(1 + total) for pair, total in sums.items()}


def plain_ndcg(posts: list[int], relevant: set[int], k: int) -> float:
    gained = sum(1 / math.log2(2 + rank) for rank, post in enumerate(posts[:k]) if post in relevant)
    return gained / sum(1 / math.log2(2 + rank) for rank in range(min(k, len(relevant))))


def test_algorithms_do_not_mind_each_other_nor_threads_and_stay_unlearned() -> None:
    interactions, plan = made_up(), Replay((100.0, 124.0), 24, (0.0, 24.0))
    knn = UserKNN(similarity_half_life=50)

    together = replayed(interactions, {"scored": Scored(), "user_knn": knn}, plan, threads=2)
    alone = replayed(interactions, {"user_knn": knn}, plan)

    for mine, again in zip(together.lists["user_knn"], alone.lists["user_knn"], strict=True):
        assert (mine == again).all()
    assert not hasattr(knn, "votes_")


def test_a_day_old_list_needs_no_training_of_its_own() -> None:
    algorithm, steps = Scored(), []

    replayed(
        made_up(), {"scored": algorithm}, Replay(daily_moments(80, 128), list_ages_hours=(0.0, 24.0)),
        lambda done, total: steps.append((done, total)),
    )  # fmt: skip

    assert len(algorithm.fits) == 4
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_algorithm_gets_the_posts_that_were_known_alone() -> None:
    algorithm = Counted()

    replayed(BY_HAND, {"counted": algorithm}, Replay((30.0,), 10, (0.0, 6.0)))

    assert algorithm.fits == [2, 3]


def test_a_source_of_lists_is_judged_beside_algorithms() -> None:
    asked = []

    def source(users: Any, seen: Any, moment: float, horizon: float, limit: int, *, age_hours: float) -> Any:
        asked.append((users.tolist(), seen.toarray().astype(int).tolist()[1], moment, horizon, limit, age_hours))
        return np.array([[2], [0], [1], [-1]]) if not age_hours else np.zeros((4, 1), dtype=np.int32)

    plan = Replay((30.0,), 10, (0.0, 6.0), limit=2)
    result = replayed(BY_HAND, {"counted": Counted()}, plan, sources={"perfect": source})

    assert result.values("perfect", "known", 0).tolist() == [1, 1, 1]
    assert result.values("perfect", "known", 6).tolist() == [0, 1, 0]
    assert asked == [
        ([0, 2, 3, 4], [0, 0, 0, 0, 0, 0], 30, 10, 2, 6),
        ([0, 2, 3, 4], [0, 0, 1, 0, 0, 0], 30, 10, 2, 0),
    ]


def test_a_source_that_knows_posts_too_early_is_refused() -> None:
    plan = Replay((30.0,), 10, (0.0,), limit=2)

    with pytest.raises(ValueError, match="not known at 30 hours"):
        replayed(BY_HAND, {}, plan, sources={"seer": lambda users, *_, **__: np.full((len(users), 1), 3)})


def test_windows_without_anyone_stay_empty() -> None:
    interactions = of((0, 0, 0), (1, 1, 1), (50, 0, 1))

    result = replayed(interactions, {"counted": Counted()}, Replay((10.0, 40.0), 20, (0.0,)))

    assert result.everyone.windows.tolist() == [1]


def test_interactions_without_weight_count_as_seen() -> None:
    weights = np.ones(13)
    weights[4] = 0

    result = replayed(BY_HAND._replace(weights=weights), {"counted": Counted()}, Replay((30.0,), 10, (0.0,), limit=3))

    assert result.judged("known").users.tolist() == [0, 2, 3]
    assert result.lists["counted"][0][1].tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Replay((30.0,), 10, (0.0, 31.0)), "made at -1 hours have nothing to learn from: the interactions begin at 0"),
        (Replay((41.0,), 10, (0.0,)), "nothing is after 41 hours: the interactions end at 41"),
        (Replay((28.0,), 2, (0.0,)), "nobody to judge: no first-time interactions"),
    ],
)
def test_plans_that_do_not_fit_the_interactions_are_refused(plan: Replay, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replayed(BY_HAND, {"counted": Counted()}, plan)


def test_no_interactions_are_refused() -> None:
    with pytest.raises(ValueError, match="no interactions to replay"):
        replayed(BY_HAND.where(np.zeros(13, dtype=bool)), {}, Replay((30.0,)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"moments": ()}, "at least one, and rise"),
        ({"moments": (2.0, 2.0)}, "at least one, and rise"),
        ({"horizon_hours": 0}, "horizon must be longer"),
        ({"list_ages_hours": ()}, "ages of lists"),
        ({"list_ages_hours": (1.0, 1.0)}, "ages of lists"),
        ({"list_ages_hours": (-1.0,)}, "ages of lists"),
        ({"limit": 0}, "limit must be at least 1"),
    ],
)
def test_impossible_plans_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Replay(**{"moments": (1.0,), **changed})


def test_what_was_not_replayed_is_not_judged() -> None:
    result = replayed_by_hand()

    with pytest.raises(ValueError, match="3 hours were not replayed"):
        result.values("counted", "known", 3)
    with pytest.raises(ValueError, match="cannot be judged at 5"):
        result.values("counted", "known", 0, k=5)
    with pytest.raises(KeyError):
        result.values("other", "known", 0)


def test_nobody_is_judged_by_known_posts_where_all_are_new() -> None:
    result = replayed(of((0, 0, 0), (20, 0, 1)), {"counted": Counted()}, Replay((10.0,), 20, (0.0,)))

    assert result.unreachable_share() == 1
    assert len(result.judged("known").users) == 0
    with pytest.raises(ValueError, match="nobody to judge"):
        result.values("counted", "known", 0)


def test_moments_come_every_day_or_week() -> None:
    assert daily_moments(5, 60) == (5, 29, 53)
    assert weekly_moments(0, 336) == (0, 168, 336)
    assert weekly_moments(7, 7) == (7,)
    with pytest.raises(ValueError, match="no moments from 2 to 1"):
        daily_moments(2, 1)


@pytest.mark.parametrize("offset_hours", [0.0, 13.9, 1 / 3, 1234.56789])
def test_the_last_window_is_there_wherever_hours_are_counted_from(offset_hours: float) -> None:
    first, last = 1179.1 - offset_hours, 1179.1 + 12 * 168 - offset_hours

    assert len(weekly_moments(first, last)) == 13


@pytest.mark.parametrize("age", [float("inf"), float("nan"), -1.0])
def test_ages_of_lists_are_finite_hours(age: float) -> None:
    with pytest.raises(ValueError, match="ages of lists"):
        Replay((1.0,), list_ages_hours=(0.0, age))
