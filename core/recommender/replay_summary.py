"""What a replay says in figures: means over users with their intervals, and the gain over a baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from core.recommender.bootstrap import Estimate
from core.recommender.clustered_bootstrap import interval_of_gain, interval_of_mean
from core.recommender.ranking_metrics import (
    hit_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank_at_k,
)
from core.recommender.replay import Measure, ReplayResult, Target

TARGETS: tuple[Target, ...] = get_args(Target)
MEASURES: Mapping[str, Measure] = {
    "ndcg": ndcg_at_k,
    "precision": precision_at_k,
    "recall": recall_at_k,
    "hit_rate": hit_at_k,
    "mrr": reciprocal_rank_at_k,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One algorithm's lists of one age against one target, over everyone or over warm users only.

    k: the first so many posts of a list are judged; judged: users in windows; measures: by name; gain: of nDCG over the
    baseline's, paired by user, None for itself.
    """

    k: int
    algorithm: str
    target: Target
    age_hours: float
    warm_only: bool
    judged: int
    measures: Mapping[str, Estimate]
    gain: Estimate | None


@dataclass(frozen=True, slots=True)
class _Values:
    """Of the users that one row judges."""

    result: ReplayResult
    target: Target
    age_hours: float
    k: int
    wanted: NDArray[np.bool_]
    seed: int

    def of(self, algorithm: str, measure: str) -> NDArray[np.float64]:
        return self.result.values(algorithm, self.target, self.age_hours, MEASURES[measure], self.k)[self.wanted]

    @property
    def users(self) -> NDArray[np.int64]:
        return self.result.judged(self.target).users[self.wanted]


def summarised(result: ReplayResult, baseline: str | None, ks: Sequence[int], seed: int = 0) -> list[Row]:
    """All algorithms, both targets, everyone and warm users, all ages and all k.

    baseline: an algorithm, None for no comparison; seed: of the resampling. Raises KeyError for a baseline that was
    not replayed, and ValueError for a k above the replay's limit.
    """
    return [
        _row(_Values(result, target, age_hours, k, wanted, seed), name, warm_only, baseline)
        for k in ks
        for target in TARGETS
        for warm_only, wanted in _groups(result, target)
        for name in result.lists
        for age_hours in result.plan.list_ages_hours
        if wanted.any()
    ]


def _groups(result: ReplayResult, target: Target) -> list[tuple[bool, NDArray[np.bool_]]]:
    warm = result.judged(target).warm
    return [(False, np.ones(len(warm), dtype=np.bool_)), (True, warm)]


def _row(values: _Values, name: str, warm_only: bool, baseline: str | None) -> Row:
    measures = {measure: _estimate(values.of(name, measure), values) for measure in MEASURES}
    gain = None if baseline in {None, name} else _gain(values, name, str(baseline))
    return Row(values.k, name, values.target, values.age_hours, warm_only, len(values.users), measures, gain)


def _estimate(measured: NDArray[np.float64], values: _Values) -> Estimate:
    return Estimate(float(measured.mean()), *interval_of_mean(measured, values.users, values.seed))


def _gain(values: _Values, name: str, baseline: str) -> Estimate:
    ours, theirs = values.of(name, "ndcg"), values.of(baseline, "ndcg")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = ours.mean() / theirs.mean() - 1
    return Estimate(0.0 if np.isnan(mean) else float(mean), *interval_of_gain(ours, theirs, values.users, values.seed))
