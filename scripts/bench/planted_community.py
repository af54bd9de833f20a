"""Interactions of the last month, made up, with one community that is known: its members did much the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from core.domain.interaction import InteractionType
from core.recommender.clustered_interactions import TYPE_SHARES, clustered_interactions

MEMBERS = 200
MEMBERS_POSTS, POSTS_A_MEMBER = 200, 40
"""Each member did something with so many of the posts that only members know."""
INTERACTIONS_PER_USER, USERS_PER_POST = 20, 2
_MONTH_SECONDS = 30 * 86_400
_COLUMNS = ("id", "user_id", "post_id", "interaction_type", "created_at")
_TYPES = tuple(kind.value for kind in InteractionType)


def user_of(row: int) -> UUID:
    """A made-up user; the members are the first."""
    return UUID(int=(7 << 120) | row)


def post_of(row: int) -> UUID:
    """A made-up post; those that only members know are the first."""
    return UUID(int=(9 << 120) | row)


async def fill_with_community(url: str, users: int, seed: int) -> None:
    """Write the interactions of so many users, members and all, into the table, up to now."""
    pairs = _pairs(users, seed)
    connection: Any = await asyncpg.connect(url)
    await connection.copy_records_to_table("user_interaction", records=_records(pairs, seed), columns=_COLUMNS)
    await connection.execute("vacuum analyze user_interaction")
    await connection.execute("checkpoint")
    await connection.close()


def _pairs(users: int, seed: int) -> NDArray[np.int64]:
    """(n, 2): rows of users and of their posts, members first."""
    random = np.random.default_rng(seed)
    members = [
        (member, post)
        for member in range(MEMBERS)
        for post in random.choice(MEMBERS_POSTS, POSTS_A_MEMBER, replace=False)
    ]
    others = users - MEMBERS
    drawn = clustered_interactions(others, others // USERS_PER_POST, INTERACTIONS_PER_USER * others, seed).tocoo()
    rest = np.column_stack((drawn.row + MEMBERS, drawn.col + MEMBERS_POSTS))
    return np.concatenate((np.array(members), rest))


def _records(pairs: NDArray[np.int64], seed: int) -> Iterator[tuple[UUID, UUID, UUID, str, datetime]]:
    random = np.random.default_rng(seed)
    kinds = random.choice(len(_TYPES), len(pairs), p=TYPE_SHARES).tolist()
    ages = random.uniform(0, _MONTH_SECONDS, len(pairs)).tolist()
    now = datetime.now(UTC).replace(tzinfo=None)
    for number, ((user, post), kind, age) in enumerate(zip(pairs.tolist(), kinds, ages, strict=True)):
        yield UUID(int=number), user_of(user), post_of(post), _TYPES[kind], now - timedelta(seconds=age)
