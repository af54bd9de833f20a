"""How sure a mean over users in windows is."""

import numpy as np
import pytest

from core.recommender.clustered_bootstrap import interval_of_gain, interval_of_mean


def test_the_interval_of_independent_values_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(1).normal(3, 2, 4_000)

    low, high = interval_of_mean(values, np.arange(4_000))

    error = values.std() / np.sqrt(4_000)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_a_user_in_many_windows_is_one_observation() -> None:
    values = np.random.default_rng(2).normal(0, 1, 500)

    once = interval_of_mean(values, np.arange(500))
    four_times = interval_of_mean(np.tile(values, 4), np.tile(np.arange(500), 4))

    assert four_times == pytest.approx(once)


def test_a_gain_that_all_have_alike_is_certain_though_the_values_are_not() -> None:
    baseline = np.random.default_rng(3).exponential(1, 300)

    low, high = interval_of_gain(1.1 * baseline, baseline, np.arange(300))

    assert (low, high) == pytest.approx((0.1, 0.1))


def test_no_gain_is_found_where_there_is_none() -> None:
    random = np.random.default_rng(6)

    low, high = interval_of_gain(random.random(400), random.random(400), np.arange(400))

    assert low < 0 < high


def test_the_same_seed_gives_the_same_interval_and_another_a_similar_one() -> None:
    values = np.random.default_rng(5).random(60)

    one, again, other = (interval_of_mean(values, np.arange(60), seed) for seed in (1, 1, 2))

    assert one == again
    assert other == pytest.approx(one, abs=0.02)


def test_nobody_has_no_interval() -> None:
    with pytest.raises(ValueError, match="0 values of 0 clusters"):
        interval_of_mean(np.empty(0), np.empty(0, dtype=np.int64))
