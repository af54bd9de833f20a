"""What a model's feeds are like for a sample of users: how many posts they reach, and how long they take."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType
from core.infrastructure.adbc_timed_interactions import IdentifiedInteractions
from core.infrastructure.interaction_digest import user_hashes
from core.infrastructure.ranking_model import RankingModel

SAMPLED_USERS = 300
_TYPES = tuple(InteractionType)


def sampled_histories(interactions: IdentifiedInteractions) -> list[History]:
    """Of some users, always the same ones as long as they are there."""
    chosen = np.argsort(user_hashes(interactions.user_keys), kind="stable")[:SAMPLED_USERS]
    data_now = interactions.epoch + timedelta(hours=float(interactions.times.max(initial=0.0)))
    return [_history(interactions, int(user), data_now) for user in chosen]


def _history(interactions: IdentifiedInteractions, user: int, data_now: datetime) -> History:
    user_id = UUID(bytes=_bytes_at(interactions.user_keys, user))
    places = np.flatnonzero(interactions.users == user)
    acts = tuple(
        Interaction(
            user_id,
            UUID(bytes=_bytes_at(interactions.post_keys, int(interactions.posts[place]))),
            _TYPES[interactions.type_codes[place]],
            interactions.epoch + timedelta(hours=float(interactions.times[place])),
        )
        for place in places
    )
    return History(user_id, acts, generation=0, data_now=data_now)


def _bytes_at(keys: NDArray[np.bytes_], place: int) -> bytes:
    """All 16 bytes: an item itself would lose trailing zeros."""
    return keys[place : place + 1].tobytes()


def feeds_of(model: RankingModel, histories: Sequence[History], depth: int) -> tuple[list[float], set[UUID]]:
    """The seconds of each, and the different posts of all."""
    seconds: list[float] = []
    reached: set[UUID] = set()
    for history in histories:
        started = time.perf_counter()
        ranked = model.rank(history, depth)
        seconds.append(time.perf_counter() - started)
        reached.update(post_id for post_id, _ in ranked)
    return seconds, reached
