"""How sure means over users are, and differences for the same users."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from core.recommender.bootstrap import RESAMPLES, Difference, differences, estimates, resampled_means


def difference(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Difference:
    values, baseline = ours[:, None], theirs[:, None]
    [found] = differences(values, baseline, resampled_means(values), resampled_means(baseline))
    return found


def test_the_interval_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(1).normal(3, 2, (4_000, 1))

    [(mean, low, high)] = estimates(values, resampled_means(values))

    error = values.std() / np.sqrt(4_000)
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(mean - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.2 * error)


def test_columns_are_resampled_together_and_as_if_each_were_alone() -> None:
    values = np.random.default_rng(2).random((50, 3))

    together = resampled_means(values)

    assert together.shape == (RESAMPLES, 3)
    assert together[:, 1] == pytest.approx(resampled_means(values[:, 1:2])[:, 0])


def test_users_without_a_value_are_left_out_of_the_mean() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])

    known, unknown = estimates(values, resampled_means(values))

    assert known == (2, 1, 3)
    assert np.isnan(unknown).all()


def test_what_all_gain_alike_is_certain_though_the_values_are_not() -> None:
    baseline = np.random.default_rng(3).exponential(1, 300)

    absolute, _ = difference(baseline + 0.5, baseline)
    _, relative = difference(1.1 * baseline, baseline)

    assert absolute == pytest.approx((0.5, 0.5, 0.5))
    assert relative == pytest.approx((0.1, 0.1, 0.1))


def test_no_difference_is_found_where_there_is_none() -> None:
    random = np.random.default_rng(6)

    absolute, relative = difference(random.random(400), random.random(400))

    assert absolute.low < 0 < absolute.high
    assert relative.low < 0 < relative.high


def test_a_gain_over_nothing_is_absolute_only() -> None:
    absolute, relative = difference(np.array([1.0, 1.0]), np.zeros(2))

    assert absolute == (1, 1, 1)
    assert relative.mean == relative.high == np.inf


def test_the_same_seed_gives_the_same_interval_and_another_a_similar_one() -> None:
    values = np.random.default_rng(5).random((60, 1))

    one, again, other = (estimates(values, resampled_means(values, seed))[0] for seed in (1, 1, 2))

    assert one == again
    assert one != other
    assert other == pytest.approx(one, abs=0.03)


def test_thirty_thousand_users_need_no_memory_for_all_resamples_at_once() -> None:
    values = np.random.default_rng(7).random((30_000, 4))

    tracemalloc.start()
    resampled_means(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 40_000_000


def test_nobody_has_no_interval_and_different_users_no_difference() -> None:
    with pytest.raises(ValueError, match="0 users"):
        resampled_means(np.empty((0, 1)))
    with pytest.raises(ValueError, match="not of the same users"):
        difference(np.ones(2), np.ones(3))
