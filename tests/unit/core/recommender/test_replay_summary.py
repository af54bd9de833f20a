"""What a replay says in figures."""

import numpy as np
import pytest

from core.recommender.ranking_metrics import ndcg_at_k
from core.recommender.replay import Replay, ReplayResult, replayed
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
