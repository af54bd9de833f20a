"""Made-up interactions that look like a feed's: communities, fashions, posts that live for days."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TYPE_SHARES = (0.75, 0.15, 0.08, 0.02)
"""Views, clicks, likes and shares among interactions, in this order (type codes 0 to 3)."""

EVENTS_PER_USER, EVENTS_PER_POST, USERS_PER_COMMUNITY = 25, 12, 40
OWN_COMMUNITY_SHARE = 0.8
POST_LIFETIME_DAYS = 2.0
HISTORY_OF_FIRST_USER = 30


class SyntheticInteractions(NamedTuple):
    """Parallel arrays of shape (count,): user and post numbers from 0, type codes, and days before the end.

    users, posts: int64; types: int64 in 0..3; ages_days: float64 in [0, days].
    """

    users: NDArray[np.int64]
    posts: NDArray[np.int64]
    types: NDArray[np.int64]
    ages_days: NDArray[np.float64]


def synthetic_interactions(count: int, days: float, seed: int) -> SyntheticInteractions:
    """`count` interactions over `days` days; the same arguments give the same arrays.

    User 0 has 30 of them (or a fifth, if that is less), so that one known user has something to go by.
    Users and posts belong to communities; four of five interactions stay inside. Activity and popularity are skewed
    (Zipf-like with exponent 0.8); interest in a post decays exponentially with a mean of two days after its birth.
    """
    random = np.random.default_rng(seed)
    user_count, post_count = max(2, count // EVENTS_PER_USER), max(2, count // EVENTS_PER_POST)
    communities = max(1, user_count // USERS_PER_COMMUNITY)
    users = _users(random, count, user_count)
    posts = _posts(random, users, post_count, communities)
    births = random.uniform(0, days, post_count)
    delays = random.exponential(POST_LIFETIME_DAYS, count)
    ages = np.maximum(births[posts] - delays, random.uniform(0, 0.02, count) * births[posts])
    types = random.choice(len(TYPE_SHARES), size=count, p=TYPE_SHARES)
    return SyntheticInteractions(users, posts, types, ages)


def _users(random: np.random.Generator, count: int, user_count: int) -> NDArray[np.int64]:
    users = 1 + random.choice(user_count - 1, size=count, p=_skewed(user_count - 1))
    reserved = min(HISTORY_OF_FIRST_USER, count // 5)
    users[:reserved] = 0
    return users.astype(np.int64)


def _posts(
    random: np.random.Generator, users: NDArray[np.int64], post_count: int, communities: int
) -> NDArray[np.int64]:
    """Each post belongs to the community of its number modulo their count, and so does each user."""
    anywhere = random.choice(post_count, size=len(users), p=_skewed(post_count))
    inside = anywhere - anywhere % communities + users % communities
    stays = (random.random(len(users)) < OWN_COMMUNITY_SHARE) & (inside < post_count)
    return np.where(stays, inside, anywhere).astype(np.int64)


def _skewed(size: int) -> NDArray[np.float64]:
    weights = 1 / np.arange(1, size + 1) ** 0.8
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares
