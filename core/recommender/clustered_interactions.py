"""Made-up user-item matrices with the skew and the communities that make neighbours costly to find."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

ACTIVITY_SIGMA = 1.0
"""Of the log-normal number of interactions a user has: the busiest hundredth has about a tenth of all."""

POPULARITY_EXPONENT = 0.7
"""Of Zipf's law, by which posts are popular: web requests follow it with 0.64 to 0.83 (Breslau et al., 1999)."""

USERS_PER_COMMUNITY = 1_000
OWN_COMMUNITY_SHARE = 0.5
"""Half of the interactions stay in the user's community: neighbours can be found, and the rest is in their way."""

TYPE_SHARES = (0.75, 0.15, 0.08, 0.02)
TYPE_WEIGHTS = (1, 2, 3, 5)
"""Views, clicks, likes and shares: how often each occurs, and how much it says."""

MOST_INT32 = 2**31 - 1

DRAWN_AT_ONCE = 1 << 21
"""Interactions whose temporary arrays are in memory together, about 100 MB."""


def clustered_interactions(users: int, posts: int, interactions: int, seed: int) -> csr_array:
    """The matrix of saturated weights log2(1 + Σ) of drawn interactions; the same arguments give the same matrix.

    Users and posts belong to communities; posts are drawn in proportion to their popularity from the user's own
    community or from all. The result is CSR (users, posts), float32, posts sorted in each row, one entry a pair, which
    are fewer than the interactions because pairs repeat. Takes about 16 bytes an interaction at the peak. Raises
    ValueError for fewer than 2 users, 2 posts or 1 interaction.
    """
    _check(users, posts, interactions)
    random = np.random.default_rng(seed)
    counts = random.multinomial(interactions, _shares(random.lognormal(0, ACTIVITY_SIGMA, users)))
    starts = np.concatenate(([0], np.cumsum(counts)))
    drawn_posts, weights = _drawn(random, starts, posts)
    # scipy wants both index arrays of one type.
    starts = starts.astype(np.int32 if interactions <= MOST_INT32 else np.int64)
    matrix = csr_array((weights, drawn_posts.astype(starts.dtype, copy=False), starts), shape=(users, posts))
    matrix.sum_duplicates()
    np.log2(1 + matrix.data, out=matrix.data)
    return matrix


def _check(users: int, posts: int, interactions: int) -> None:
    for name, count, least in (("users", users, 2), ("posts", posts, 2), ("interactions", interactions, 1)):
        if count < least:
            raise ValueError(f"{name} must be at least {least}, not {count}")


def _shares(weights: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _drawn(
    random: np.random.Generator, starts: NDArray[np.int64], posts: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The post and the weight of each interaction, both of shape (interactions,).

    starts: (users + 1,), each user's first interaction.
    """
    users, interactions = len(starts) - 1, int(starts[-1])
    communities = min(max(1, users // USERS_PER_COMMUNITY), posts)
    user_communities = random.integers(communities, size=users, dtype=np.int32)
    names = random.permutation(posts).astype(np.int32)
    # Posts lie here in the order of their communities, each with a range of the cumulated popularity.
    edges = np.zeros(posts + 1)
    np.cumsum(_shares((1.0 + random.permutation(posts)) ** -POPULARITY_EXPONENT), out=edges[1:])
    community_edges = edges[np.arange(communities + 1) * posts // communities]

    drawn_posts, weights = np.empty(interactions, dtype=np.int32), np.empty(interactions, dtype=np.float32)
    type_weights = np.array(TYPE_WEIGHTS, dtype=np.float32)
    for first in range(0, interactions, DRAWN_AT_ONCE):
        some = slice(first, min(interactions, first + DRAWN_AT_ONCE))
        users_drawn = np.searchsorted(starts, np.arange(some.start, some.stop), side="right") - 1
        drawn_posts[some] = names[_places(random, user_communities[users_drawn], edges, community_edges)]
        weights[some] = random.choice(type_weights, size=some.stop - some.start, p=TYPE_SHARES)
    return drawn_posts, weights


def _places(
    random: np.random.Generator,
    communities: NDArray[np.int32],
    edges: NDArray[np.float64],
    community_edges: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Places of drawn posts, shape (n,), for users of these communities, shape (n,).

    edges: (posts + 1,), the cumulated popularity; community_edges: (communities + 1,), those between communities.
    """
    inside = random.random(len(communities)) < OWN_COMMUNITY_SHARE
    low = np.where(inside, community_edges[communities], 0)
    high = np.where(inside, community_edges[communities + 1], edges[-1])
    points = low + random.random(len(communities)) * (high - low)
    # Rounding may lift a point to the last edge.
    places: NDArray[np.int64] = np.minimum(np.searchsorted(edges, points, side="right") - 1, len(edges) - 2)
    return places
