"""How sure a mean over users in windows is: the same user in several windows is one observation, not several.

Percentile bootstrap over clusters: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13; whole
clusters are drawn with replacement, as in Davison & Hinkley, Bootstrap Methods and their Application, 1997, 3.8.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
CONFIDENCE = 0.95

_COUNTS_AT_ONCE = 4_000_000


class Interval(NamedTuple):
    """Where the true value lies, with 95 % confidence."""

    low: float
    high: float


def interval_of_mean(values: NDArray[np.float64], clusters: NDArray[np.int64], seed: int = 0) -> Interval:
    """The interval of the mean. values, clusters: (j,), who each value is of. Raises ValueError without values."""
    sums, counts = _by_cluster(values, clusters), _by_cluster(np.ones(len(values)), clusters)
    return _percentiles(np.concatenate([drawn @ sums / (drawn @ counts) for drawn in _resampled(len(sums), seed)]))


def interval_of_gain(
    values: NDArray[np.float64], baseline: NDArray[np.float64], clusters: NDArray[np.int64], seed: int = 0
) -> Interval:
    """The interval of mean(values) / mean(baseline) - 1, paired: both of the same users, drawn together.

    values, baseline, clusters: (j,). Raises ValueError without values. Infinite where the baseline alone may be 0;
    where both are, nothing is gained.
    """
    ours, theirs = _by_cluster(values, clusters), _by_cluster(baseline, clusters)
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = [(drawn @ ours) / (drawn @ theirs) - 1 for drawn in _resampled(len(ours), seed)]
    gained = np.concatenate(gains)
    return _percentiles(np.where(np.isnan(gained), 0, gained))


def _by_cluster(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(values) == len(clusters) > 0:
        raise ValueError(f"{len(values)} values of {len(clusters)} clusters have no interval")
    _, places = np.unique(clusters, return_inverse=True)
    return np.bincount(places, weights=values).astype(np.float64)


def _resampled(clusters: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """(some, clusters): how often each cluster is drawn in each of some resamples, RESAMPLES in all."""
    random = np.random.default_rng(seed)
    at_once = max(1, _COUNTS_AT_ONCE // clusters)
    for first in range(0, RESAMPLES, at_once):
        yield random.multinomial(clusters, np.full(clusters, 1 / clusters), size=min(at_once, RESAMPLES - first))


def _percentiles(resampled: NDArray[np.float64]) -> Interval:
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, (outside, 1 - outside), method="nearest")
    return Interval(float(low), float(high))
