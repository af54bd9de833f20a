"""What a model's feeds are like for a sample of users: how many posts they reach, and how long they take."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType
from core.infrastructure.adbc_timed_interactions import IdentifiedInteractions
from core.infrastructure.interaction_digest import user_hashes
from core.infrastructure.key_rows import ids_of
from core.infrastructure.ranking_model import RankingModel

SAMPLED_USERS = 300
_TYPES = tuple(InteractionType)


def sampled_histories(interactions: IdentifiedInteractions) -> list[History]:
    """Of some users, always the same ones as long as they are there."""
    chosen = np.argsort(user_hashes(interactions.user_keys), kind="stable")[:SAMPLED_USERS]
    data_now = interactions.epoch + timedelta(hours=float(interactions.times.max(initial=0.0)))
    return [_history(interactions, int(user), data_now) for user in chosen]


def _history(interactions: IdentifiedInteractions, user: int, data_now: datetime) -> History:
    (user_id,) = ids_of(interactions.user_keys[[user]])
    places = np.flatnonzero(interactions.users == user)
    post_ids = ids_of(interactions.post_keys[interactions.posts[places]])
    acts = tuple(
        Interaction(
            user_id,
            post_id,
            _TYPES[interactions.type_codes[place]],
            interactions.epoch + timedelta(hours=float(interactions.times[place])),
        )
        for place, post_id in zip(places, post_ids, strict=True)
    )
    return History(user_id, acts, generation=0, data_now=data_now)


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
