"""What a replay says in figures."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from core.recommender.ranking_metrics import ndcg_at_k
from core.recommender.replay import JudgedUsers, Replay, ReplayResult, replayed
from core.recommender.replay_summary import summarised
from core.recommender.timed_interactions import TimedInteractions
from core.recommender.user_knn import UserKNN


def replay() -> ReplayResult:
    random = np.random.default_rng(3)
    interactions = TimedInteractions(
        users=random.integers(30, size=900),
        posts=random.integers(60, size=900),
        weights=np.ones(900),
        times=np.sort(random.random(900)) * 240,
        user_count=30,
        post_count=60,
    )
    algorithms = {"near": UserKNN(k=3), "far": UserKNN(k=25)}
    return replayed(interactions, algorithms, Replay((120.0, 144.0), list_ages_hours=(0.0, 6.0), limit=5))


def test_there_is_a_row_for_each_target_group_of_users_algorithm_and_age() -> None:
    rows = summarised(replay(), baseline="near", ks=(2, 5))

    assert [(row.k, row.target, row.warm_only, row.algorithm, row.age_hours) for row in rows] == [
        (k, target, warm_only, algorithm, age)
        for k in (2, 5)
        for target in ("known", "all")
        for warm_only in (False, True)
        for algorithm in ("near", "far")
        for age in (0.0, 6.0)
    ]


def test_a_row_holds_means_within_their_intervals_and_the_gain_over_the_baseline() -> None:
    result = replay()

    near, _, far, _ = summarised(result, baseline="near", ks=(5,))[:4]

    ours, theirs = (result.values(name, "known", 0.0, ndcg_at_k).mean() for name in ("far", "near"))
    assert near.gain is None
    assert far.gain is not None
    assert far.gain.mean == pytest.approx(ours / theirs - 1)
    assert far.measures["ndcg"].mean == pytest.approx(ours)
    assert far.judged == len(result.judged("known").users)
    for estimate in (*far.measures.values(), far.gain):
        assert estimate.low <= estimate.mean <= estimate.high


def test_without_a_baseline_there_are_no_gains() -> None:
    assert all(row.gain is None for row in summarised(replay(), baseline=None, ks=(5,)))


def test_a_baseline_that_was_not_replayed_is_told() -> None:
    with pytest.raises(KeyError, match="popular"):
        summarised(replay(), baseline="popular", ks=(5,))


def lists_of(windows: int, **lists: list[int]) -> ReplayResult:
    """Twelve users, the same in every window, each with one relevant post; an algorithm always gives the same list."""
    users = np.tile(np.arange(12), windows)
    relevant = csr_array((np.ones(len(users)), (np.arange(len(users)), users % 3)), shape=(len(users), 9))
    everyone = JudgedUsers(np.repeat(np.arange(windows), 12), users, np.ones(len(users), dtype=np.bool_))
    plan = Replay(tuple(24.0 * window for window in range(1, windows + 1)), list_ages_hours=(0.0,), limit=2)
    made = {name: (np.tile(posts, (len(users), 1)),) for name, posts in lists.items()}
    return ReplayResult(plan, everyone, relevant, np.zeros(9), made)


def test_the_same_user_in_many_windows_is_one_observation() -> None:
    once, often = (summarised(lists_of(windows, ours=[0, 1]), None, ks=(2,))[0] for windows in (1, 9))

    assert often.judged == 9 * once.judged
    assert often.measures["ndcg"] == pytest.approx(once.measures["ndcg"])
    assert once.measures["ndcg"].low < once.measures["ndcg"].high


def test_gains_are_paired_and_clustered_by_user() -> None:
    same, _ = summarised(lists_of(4, ours=[0, 1], theirs=[0, 1]), "theirs", ks=(2,))[:2]
    once, often = (
        summarised(lists_of(windows, ours=[1, 0], theirs=[0, 8]), "theirs", ks=(2,))[0] for windows in (1, 9)
    )

    assert same.gain == (0, 0, 0)
    assert once.gain is not None
    assert often.gain == pytest.approx(once.gain)
    assert once.gain.low < once.gain.high


def test_over_a_baseline_that_never_hits_the_gain_is_infinite_and_of_two_such_it_is_nothing() -> None:
    hitting, _, missing = summarised(lists_of(1, ours=[0, 1], none=[7, 8], nothing=[6, 7]), "none", ks=(2,))[:3]

    assert hitting.gain == (np.inf, np.inf, np.inf)
    assert missing.gain == (0, 0, 0)
