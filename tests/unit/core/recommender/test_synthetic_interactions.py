"""Made-up interactions."""

import numpy as np
import pytest

from core.recommender.synthetic_interactions import synthetic_interactions

MADE = synthetic_interactions(20_000, 30, seed=1)


def test_the_same_seed_makes_the_same_interactions_and_another_seed_others() -> None:
    again, other = synthetic_interactions(20_000, 30, seed=1), synthetic_interactions(20_000, 30, seed=2)

    assert all((one == two).all() for one, two in zip(MADE, again, strict=True))
    assert (MADE.posts != other.posts).any()


def test_the_types_come_in_lifelike_shares() -> None:
    shares = np.bincount(MADE.types, minlength=4) / len(MADE.types)

    np.testing.assert_allclose(shares, (0.75, 0.15, 0.08, 0.02), atol=0.01)


def test_popularity_is_skewed_and_posts_are_short_lived() -> None:
    counts = np.sort(np.bincount(MADE.posts))[::-1]
    best = np.argmax(np.bincount(MADE.posts))
    ages = MADE.ages_days[MADE.posts == best]

    assert counts[: len(counts) // 10].sum() > 0.3 * counts.sum()
    assert np.quantile(ages, 0.9) - np.quantile(ages, 0.1) < 10


def test_users_of_one_community_share_more_posts_than_others() -> None:
    communities = 20_000 // 25 // 40
    inside = (MADE.users % communities) == (MADE.posts % communities)

    assert inside.mean() > 0.7


def test_the_first_user_has_a_history_to_go_by() -> None:
    assert (synthetic_interactions(5000, 30, seed=0).users == 0).sum() == 30
    assert (synthetic_interactions(10, 30, seed=0).users == 0).sum() == 2


@pytest.mark.parametrize("count", [1, 2, 10, 99])
def test_small_counts_work(count: int) -> None:
    made = synthetic_interactions(count, 1, seed=0)

    assert len(made.users) == count
    assert ((made.ages_days >= 0) & (made.ages_days <= 1)).all()
