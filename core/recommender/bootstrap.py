"""How sure means over users are, and differences between algorithms for the same users: the percentile bootstrap.

Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Each user is one observation; where users come
in several windows, see clustered_bootstrap.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
CONFIDENCE = 0.95

_COUNTS_AT_ONCE = 2_000_000


class Estimate(NamedTuple):
    """A figure, and between which values it lies with 95 % confidence; NaN where there is nothing to tell it from."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """How far one mean is above another of the same users.

    relative: as a share of the baseline's mean; infinite or NaN where that is 0.
    """

    absolute: Estimate
    relative: Estimate


def resampled_means(values: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """(RESAMPLES, columns): the mean of each column over as many users as there are, drawn with replacement.

    values: (users, columns), NaN where a user has no value. The same seed and number of users draw the same users in
    each resample, whatever the values: means of two calls are paired. Raises ValueError without users.
    """
    users = len(values)
    if not users:
        raise ValueError("0 users have no interval")
    there = ~np.isnan(values)
    sums = np.where(there, values, 0)
    means = np.empty((RESAMPLES, values.shape[1]))
    random = np.random.default_rng(seed)
    at_once = max(1, _COUNTS_AT_ONCE // users)
    for first in range(0, RESAMPLES, at_once):
        some = means[first : first + at_once]
        drawn = np.empty((len(some), users))
        for counts in drawn:
            counts[:] = np.bincount(random.integers(0, users, users), minlength=users)
        with np.errstate(invalid="ignore"):
            some[:] = (drawn @ sums) / (users if there.all() else drawn @ there)
    return means


def estimates(values: NDArray[np.float64], resampled: NDArray[np.float64]) -> list[Estimate]:
    """For each column, its mean and interval. values: (users, columns); resampled: their `resampled_means`."""
    means = _means(values)
    return [_estimate(float(mean), column) for mean, column in zip(means, resampled.T, strict=True)]


def differences(
    values: NDArray[np.float64],
    baseline: NDArray[np.float64],
    resampled: NDArray[np.float64],
    resampled_baseline: NDArray[np.float64],
) -> list[Difference]:
    """For each column, how far the mean is above the baseline's.

    values, baseline: (users, columns), of the same users in the same order; resampled, resampled_baseline: their
    `resampled_means` with the same seed. Raises ValueError where they are not of as many users.
    """
    if values.shape != baseline.shape:
        raise ValueError(f"values of the shapes {values.shape} and {baseline.shape} are not of the same users")
    ours, theirs = _means(values), _means(baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative, relative_resampled = ours / theirs - 1, resampled / resampled_baseline - 1
    absolute, absolute_resampled = ours - theirs, resampled - resampled_baseline
    return [
        Difference(
            _estimate(float(absolute[column]), absolute_resampled[:, column]),
            _estimate(float(relative[column]), relative_resampled[:, column]),
        )
        for column in range(values.shape[1])
    ]


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = np.where(there, values, 0).sum(axis=0) / there.sum(axis=0)
    return means


def _estimate(mean: float, resampled: NDArray[np.float64]) -> Estimate:
    outside = (1 - CONFIDENCE) / 2
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return Estimate(mean, np.nan, np.nan)
    # The nearest one, and no point between two: one of these may be infinite.
    low, high = np.quantile(known, (outside, 1 - outside), method="nearest")
    return Estimate(mean, float(low), float(high))
