"""Lists of models that learn once a day, by what had happened when."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.daily_lists import DailyLists, DailyModels
from core.recommender.item_knn import ItemKNN
from core.recommender.replay import Replay, replayed
from core.recommender.timed_interactions import TimedInteractions
from core.recommender.user_knn import UserKNN

# Hours, users and posts: by midnight of the second day users 0 and 1 are alike, and so are 2 and 3.
ACTS = [
    (1, 0, 0), (2, 1, 0), (3, 0, 1), (4, 2, 2), (5, 3, 2), (6, 2, 3),
    (25, 0, 4), (26, 2, 5), (27, 4, 4), (28, 4, 0), (29, 1, 4), (30, 5, 5),
]  # fmt: skip
FEED = TimedInteractions(
    np.array([user for _, user, _ in ACTS]),
    np.array([post for _, _, post in ACTS]),
    np.ones(len(ACTS)),
    np.array([float(hour) for hour, _, _ in ACTS]),
    6,
    6,
)
EVERYONE = np.arange(6)


def models(algorithm: UserKNN | ItemKNN | None = None) -> DailyModels:
    return DailyModels(FEED, algorithm or UserKNN(k=3, vote_half_life=0, post_half_life=0), first=0.0)


def lists(source: DailyLists, moment: float) -> list[set[int]]:
    made: NDArray[np.int64] = source(EVERYONE, csr_array((6, 6)), moment, 1.0, 6, age_hours=0.0)
    return [set(row[row >= 0].tolist()) for row in made]


def test_as_built_they_hold_what_was_known_when_the_model_learned_all_day_long() -> None:
    built = DailyLists(models(), is_live=False)

    assert lists(built, 24) == lists(built, 47.5) == [set(), {1}, set(), {3}, set(), set()]


def test_asked_live_the_same_model_knows_what_users_have_done_since_but_no_new_post() -> None:
    live = DailyLists(models(), is_live=True)

    assert lists(live, 28.5) == [set(), {1}, set(), {3}, {1}, set()]


def test_with_a_tail_they_hold_what_came_since_by_and_for_whoever_came_since() -> None:
    tailed = DailyLists(models(), is_live=True, has_tail=True)

    assert lists(tailed, 25.5) == [set(), {1, 4}, set(), {3}, set(), set()]
    assert lists(tailed, 28.5) == [set(), {1, 4}, set(), {3, 5}, {1}, set()]
    assert lists(tailed, 48) == [lists(DailyLists(models(), is_live=False), 48)[user] for user in range(6)]


def test_nothing_that_is_yet_to_come_changes_them() -> None:
    later = FEED.where(FEED.times <= 27)
    shortened = DailyModels(later, UserKNN(k=3, vote_half_life=0, post_half_life=0), first=0.0)

    for has_tail in (False, True):
        one, other = (DailyLists(each, is_live=True, has_tail=has_tail) for each in (models(), shortened))
        assert lists(one, 27) == lists(other, 27)


def test_they_can_be_replayed_beside_an_algorithm() -> None:
    daily = models()
    sources = {"tail": DailyLists(daily, is_live=True, has_tail=True), "built": DailyLists(daily, is_live=False)}

    result = replayed(FEED, {}, Replay((24.0, 26.5, 28.5), 1.5, (0.0,), 5), sources=sources)

    assert result.values("tail", "all", 0.0).sum() > result.values("built", "all", 0.0).sum()


def test_an_algorithm_that_takes_no_tail_says_so() -> None:
    for algorithm in (ItemKNN(), UserKNN(neighbourhood="reverse")):
        with pytest.raises(ValueError, match="takes no tail"):
            lists(DailyLists(models(algorithm), is_live=True, has_tail=True), 26)
