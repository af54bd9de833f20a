"""What is kept back of the training, and how it judges parameters."""

import math

import numpy as np
import pytest

from core.recommender.full_ranking import TrainingSet, fully_ranked
from core.recommender.holdout import held_out
from core.recommender.popular import Popular
from core.recommender.timed_interactions import TimedInteractions
from core.recommender.user_knn import UserKNN


def training(*rows: tuple[int, int, float], timed: bool = True, posts: int = 12) -> TrainingSet:
    users, columns, times = (np.array(column) for column in zip(*rows, strict=True))
    count = int(users.max()) + 1
    interactions = TimedInteractions(users, columns, np.ones(len(users)), times.astype(float), count, posts)
    return TrainingSet(interactions, timed)


def ten_posts_each(*, timed: bool) -> TrainingSet:
    return training(*((user, post, float(post - 9)) for user in range(4) for post in range(10)), timed=timed)


def pairs(training: TrainingSet) -> set[tuple[int, int]]:
    return set(zip(training.interactions.users.tolist(), training.interactions.posts.tolist(), strict=True))


def feed(users: int = 4, days: int = 40) -> TrainingSet:
    """Every user meets yesterday's post each day."""
    rows = [(user, day - 1, float(day)) for user in range(users) for day in range(1, days + 1)]
    strangers = [(users, day, float(day)) for day in range(days + 1)]
    return training(*rows, *strangers, posts=days + 1)


def test_with_times_the_last_fifth_is_held_out_in_folds_that_know_nothing_later() -> None:
    found = held_out(feed())

    assert len(found.folds) == 4
    for fold in found.folds:
        now = fold.rest.interactions.times.max()
        assert now == 0
        (least,) = np.unique(fold.held_out.indices)[:1]
        assert least >= fold.rest.interactions.posts.max() - 1
    sizes = [len(fold.rest.interactions.times) for fold in found.folds]
    assert sizes == sorted(sizes)
    assert sizes[0] == pytest.approx(0.8 * len(feed().interactions.times), rel=0.05)


def test_posts_that_nobody_had_by_then_are_not_asked_for() -> None:
    for fold in held_out(feed()).folds:
        assert set(fold.held_out.indices.tolist()) <= set(fold.rest.interactions.posts.tolist())


def test_users_who_stopped_long_ago_are_not_judged_and_teach_all_the_same() -> None:
    stopped = [(5, post, -90.0) for post in range(5)]
    rows = feed().interactions
    active = list(zip(rows.users.tolist(), rows.posts.tolist(), rows.times.tolist(), strict=True))

    found = held_out(training(*stopped, *active, posts=41))

    for fold in found.folds:
        assert 5 not in fold.users
        assert {(5, post) for post in range(5)} <= pairs(fold.rest)


def test_newcomers_are_not_judged_before_they_have_a_history() -> None:
    rows = feed().interactions
    active = list(zip(rows.users.tolist(), rows.posts.tolist(), rows.times.tolist(), strict=True))

    found = held_out(training(*active, (5, 1, 40.0), (5, 2, 40.0), posts=41))

    assert all(5 not in fold.users for fold in found.folds)


def test_where_all_came_at_one_moment_posts_are_drawn() -> None:
    (found,) = held_out(training(*((user, post, 0.0) for user in range(4) for post in range(10)))).folds

    assert np.diff(found.held_out.indptr).tolist() == [2] * 4


def test_without_times_posts_are_drawn_and_another_seed_draws_others() -> None:
    one, again, other = (held_out(ten_posts_each(timed=False), seed).folds[0] for seed in (1, 1, 2))

    assert np.diff(one.held_out.indptr).tolist() == [2] * 4
    assert pairs(one.rest) == pairs(again.rest) != pairs(other.rest)


def test_no_pair_is_on_both_sides_however_often_it_comes() -> None:
    again = [(user, 3, 39.5) for user in range(4)]
    rows = feed().interactions
    active = list(zip(rows.users.tolist(), rows.posts.tolist(), rows.times.tolist(), strict=True))

    for fold in held_out(training(*active, *again, posts=41)).folds:
        users, columns = fold.held_out.toarray().nonzero()
        assert not pairs(fold.rest) & set(zip(fold.users[users].tolist(), columns.tolist(), strict=True))


def test_a_user_with_one_post_keeps_it_and_is_not_judged() -> None:
    (found,) = held_out(training((0, 1, 0), (1, 1, 0), (1, 2, 0), timed=False)).folds

    assert found.users.tolist() == [1]
    assert (0, 1) in pairs(found.rest)


def test_where_nobody_has_two_posts_nothing_can_be_held_out() -> None:
    with pytest.raises(ValueError, match="no user has two posts"):
        held_out(training((0, 1, 0), (0, 1, 0), (1, 2, 0)))


def test_the_score_is_the_mean_ndcg_over_users_in_folds() -> None:
    learned = [(0, 0, -9), (1, 2, -9), (2, 1, -9), (3, 1, -9), (4, 1, -9), (5, 0, -9), (6, 4, -9), (7, 4, -9)]
    found = held_out(training(*learned, (0, 1, 1), (1, 0, 2)))

    # Left: three have 1, two have 0, two have 4. Post 1 comes first for user 0; then 1 has four, and 0 is second.
    assert [fold.users.tolist() for fold in found.folds] == [[0], [1]]
    assert found.judged == 2
    assert found.score(Popular(half_life=0.0), 3) == pytest.approx((1 + 1 / math.log2(3)) / 2)


def test_taste_that_repeats_is_found_by_neighbours_and_not_by_popularity() -> None:
    rows = [(user, 6 * (user % 2) + post, 0.0) for user in range(10) for post in range(6)]
    found = held_out(training(*rows, timed=False), seed=3)

    assert found.score(UserKNN(k=4), 1) == 1
    assert found.score(Popular(), 1) < 1


def test_unknown_users_ask_with_nothing_and_portions_change_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = ten_posts_each(timed=False)
    users = np.array([0, -1, 3, -1, 1])
    told: list[tuple[int, int]] = []

    whole = fully_ranked(Popular(), learned, users, 5)
    monkeypatch.setattr("core.recommender.full_ranking.USERS_AT_ONCE", 2)
    parts = fully_ranked(Popular(), learned, users, 5, threads=2, on_users=lambda *done: told.append(done))

    assert (
        parts.rows.tolist() == whole.rows.tolist() == [[-1] * 5, [0, 1, 2, 3, 4], [-1] * 5, [0, 1, 2, 3, 4], [-1] * 5]
    )
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_posts_that_weigh_nothing_are_seen_all_the_same() -> None:
    learned = training((0, 0, 0), (1, 1, 0), (1, 0, 0), timed=False)
    weights = np.array([0.0, 1.0, 1.0])
    weightless = TrainingSet(learned.interactions._replace(weights=weights), timed=False)

    lists = fully_ranked(Popular(), weightless, np.array([0]), 3).rows

    assert lists.tolist() == [[1, -1, -1]]
