"""A simulated feed keeps its own laws, and its best lists are best."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.replay import Replay, ReplayResult, daily_moments, replayed
from core.recommender.simulated_feed import LIFE_SPAN, LIFETIMES_HOURS, FeedSize, SimulatedFeed, simulated_feed
from core.recommender.synthetic_interactions import TYPE_SHARES
from core.recommender.user_knn import UserKNN

SIZE = FeedSize(users=300, days=20, posts_per_day=50, sessions_per_day=1.0)
FEED = simulated_feed(SIZE, seed=1)
MOMENT = 14 * 24.0
EVERYONE = np.arange(SIZE.users)


def seen_at(feed: SimulatedFeed, moment: float) -> csr_array:
    past = feed.interactions.where(feed.interactions.times <= moment)
    shape = (past.user_count, past.post_count)
    return csr_array((np.ones(len(past.users)), (past.users, past.posts)), shape=shape)


def popular(users: Any, seen: csr_array, moment: float, horizon: float, limit: int, *, age_hours: float) -> Any:
    """Posts by their interactions in the last twelve hours."""
    times = FEED.interactions.times
    recent = FEED.interactions.posts[(times <= moment - age_hours) & (times > moment - age_hours - 12)]
    counts = np.tile(np.bincount(recent, minlength=FEED.interactions.post_count), (len(users), 1))
    counts[seen.toarray() > 0] = 0
    lists = np.argsort(-counts, axis=1, kind="stable")[:, :limit]
    return np.where(np.take_along_axis(counts, lists, axis=1) > 0, lists, -1)


@pytest.fixture(scope="module")
def judged() -> ReplayResult:
    plan = Replay(daily_moments(10 * 24, 18 * 24), list_ages_hours=(0.0, 24.0))
    sources = {"best": FEED.best_lists, "popular": popular}
    return replayed(FEED.interactions, {"user_knn": UserKNN()}, plan, sources=sources)


def test_the_same_seed_makes_the_same_feed_and_another_seed_another() -> None:
    again, other = simulated_feed(SIZE, seed=1), simulated_feed(SIZE, seed=2)

    assert all(np.array_equal(one, two) for one, two in zip(FEED.interactions, again.interactions, strict=True))
    assert np.array_equal(FEED.types, again.types)
    assert np.array_equal(FEED.interests, again.interests)
    assert not np.array_equal(FEED.interactions.times, other.interactions.times)


def test_nobody_meets_a_post_that_is_unborn_dead_or_already_had() -> None:
    users, posts, _, times, *_ = FEED.interactions

    assert (FEED.posts.births[posts] <= times).all()
    assert (FEED.posts.deaths[posts] > times).all()
    assert len(np.unique(users * FEED.interactions.post_count + posts)) == len(posts)


def test_interactions_come_by_time_and_within_the_days() -> None:
    times = FEED.interactions.times

    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] < SIZE.hours


def test_there_are_about_as_many_interactions_as_the_size_says() -> None:
    expected = SIZE.users * SIZE.days * SIZE.sessions_per_day * SIZE.posts_per_session

    assert len(FEED.interactions.users) == pytest.approx(expected, rel=0.1)


def test_types_come_in_their_shares_and_weigh_what_they_are_told_to() -> None:
    weighted = simulated_feed(FeedSize(users=300, days=20, type_weights=(0.1, 0.3, 0.7, 1.0)), seed=3)

    shares = np.bincount(FEED.types, minlength=4) / len(FEED.types)
    np.testing.assert_allclose(shares, TYPE_SHARES, atol=0.01)
    assert (FEED.interactions.weights == 1).all()
    assert (weighted.interactions.weights == np.array([0.1, 0.3, 0.7, 1.0])[weighted.types]).all()


def test_attention_is_as_steady_in_the_first_days_as_in_the_last() -> None:
    ages = FEED.interactions.times - FEED.posts.births[FEED.interactions.posts]
    early, late = (ages[FEED.interactions.times < 72], ages[FEED.interactions.times > SIZE.hours - 72])

    assert np.median(early) == pytest.approx(np.median(late), rel=0.25)


def test_interests_drift_from_day_to_day_unless_told_not_to() -> None:
    still = simulated_feed(FeedSize(users=20, days=5, drift=0), seed=1)
    moved = np.abs(np.diff(FEED.interests, axis=0)).sum(axis=2).mean()

    assert 0 < moved < 0.4
    assert (still.interests == still.interests[0]).all()
    np.testing.assert_allclose(FEED.interests.sum(axis=2), 1, rtol=1e-5)


def test_users_take_what_they_are_interested_in() -> None:
    users, posts, _, times, *_ = FEED.interactions
    interest = FEED.interests[(times // 24).astype(int), users, FEED.posts.topics[posts]]

    assert interest.mean() > 3 / SIZE.topics


def test_the_best_lists_beat_popularity_and_neighbours_fresh_and_old(judged: ReplayResult) -> None:
    for age in (0.0, 24.0):
        best, knn, popularity = (judged.values(name, "known", age).mean() for name in ("best", "user_knn", "popular"))

        assert best > 1.2 * knn
        assert knn > popularity


@pytest.mark.parametrize("age", [0.0, 6.0, 24.0])
def test_chances_come_true_as_often_as_they_say(age: float) -> None:
    expected, happened = [], []
    for moment in daily_moments(8 * 24, 18 * 24):
        seen = seen_at(FEED, moment - age)
        posts, chances = FEED.chances(EVERYONE, seen, moment, 24, age_hours=age)
        times = FEED.interactions.times
        coming = FEED.interactions.where((times > moment) & (times <= moment + 24))
        taken = np.zeros((SIZE.users, FEED.interactions.post_count))
        taken[coming.users, coming.posts] = 1
        expected.append(chances.ravel())
        happened.append(taken[:, posts].ravel())
    chances, taken = np.concatenate(expected), np.concatenate(happened)

    likely = chances > np.quantile(chances, 0.99)
    assert taken.sum() == pytest.approx(chances.sum(), rel=0.12)
    assert taken[likely].mean() == pytest.approx(chances[likely].mean(), rel=0.12)


def test_chances_are_those_of_living_through_it_many_times() -> None:
    user, lives, horizon = int(np.argmax(FEED.sessions)), 1500, 12.0
    seen = seen_at(FEED, MOMENT)[[user]]
    posts, chances = FEED.chances(np.array([user]), seen, MOMENT, horizon)
    random, taken = np.random.default_rng(1), np.zeros(FEED.interactions.post_count)

    for _ in range(lives):
        left = seen.toarray()[0] == 0
        sessions = random.poisson(FEED.sessions[user] * horizon)
        for time in np.sort(random.uniform(MOMENT, MOMENT + horizon, sessions)):
            count = 1 + random.poisson(SIZE.posts_per_session - 1)
            drawn = random.choice(len(left), count, replace=False, p=plain_shares(user, time, left))
            left[drawn] = False
            taken[drawn] += 1

    np.testing.assert_allclose(taken[posts] / lives, chances[0], rtol=0.1, atol=0.05)


def plain_shares(user: int, time: float, left: NDArray[np.bool_]) -> NDArray[np.float64]:
    living = (FEED.posts.births <= time) & (FEED.posts.deaths > time) & left
    fresh = np.exp(-np.maximum(0, time - FEED.posts.births) / FEED.posts.lifetimes)
    interest = FEED.interests[int(time // 24), user, FEED.posts.topics]
    utilities = np.where(living, interest * FEED.posts.qualities * fresh, 0).astype(np.float64)
    return np.asarray(utilities / utilities.sum())


def test_best_lists_hold_known_living_posts_that_the_user_has_not_had_most_likely_first() -> None:
    seen = seen_at(FEED, MOMENT)

    lists = FEED.best_lists(EVERYONE, seen, MOMENT, 24, 10)
    posts, chances = FEED.chances(EVERYONE, seen, MOMENT, 24)

    known = np.unique(FEED.interactions.posts[FEED.interactions.times <= MOMENT])
    assert lists.shape == (SIZE.users, 10)
    assert np.isin(lists, known).all()
    assert (FEED.posts.deaths[lists] > MOMENT).all()
    assert not seen[np.repeat(EVERYONE, 10), lists.ravel()].any()
    ranked = chances[EVERYONE[:, None], np.searchsorted(posts, lists)]
    assert (np.diff(ranked, axis=1) <= 0).all()
    assert (ranked[:, 0] == chances.max(axis=1)).all()


def test_best_lists_end_where_nothing_is_left() -> None:
    lists = FEED.best_lists(EVERYONE[:2], csr_array((2, FEED.interactions.post_count)), MOMENT, 24, 10_000)
    after = SIZE.hours + LIFE_SPAN * LIFETIMES_HOURS[1]
    nothing = FEED.best_lists(EVERYONE[:2], csr_array((2, FEED.interactions.post_count)), after, 24, 3)

    assert (lists[:, -1] == -1).all()
    assert (np.diff((lists >= 0).astype(int), axis=1) <= 0).all()
    assert (nothing == -1).all()


def test_users_who_had_all_living_posts_take_none() -> None:
    tiny = simulated_feed(FeedSize(users=2, days=2, posts_per_day=1, sessions_per_day=30, topics=1), seed=1)

    assert len(tiny.interactions.users) <= 2 * len(tiny.posts.births)
    assert (tiny.best_lists(np.arange(2), seen_at(tiny, 40), 40, 24, 5) >= -1).all()


def test_a_feed_that_nobody_opens_has_no_interactions() -> None:
    assert len(simulated_feed(FeedSize(users=1, days=1, sessions_per_day=1e-9), seed=1).interactions.users) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"users": 0}, "users must be at least 1, not 0"),
        ({"days": 0}, "days must be at least 1"),
        ({"posts_per_day": 0}, "posts_per_day must be at least 1"),
        ({"topics": 0}, "topics must be at least 1"),
        ({"communities": -1}, "communities must be at least 1"),
        ({"posts_per_session": 0.5}, "posts_per_session must be at least 1"),
        ({"posts_per_session": float("nan")}, "posts_per_session must be at least 1"),
        ({"sessions_per_day": 0}, "sessions_per_day must be more than 0"),
        ({"drift": 1.5}, "drift must be from 0 to 1"),
    ],
)
def test_impossible_sizes_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeedSize(**changed)
