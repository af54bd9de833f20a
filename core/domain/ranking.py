"""What a model alone says about a user, before it becomes a feed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from core.domain.feed import Recommendation


@dataclass(frozen=True, slots=True)
class Ranking:
    """Posts with raw scores (positive, best first, ties by id); empty and of epoch 0 where no model is loaded."""

    posts: tuple[tuple[UUID, float], ...] = ()
    model_version: str | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Recollection:
    """The same from what the model has kept of the user's history itself, and the posts of that history."""

    ranking: Ranking
    post_ids: frozenset[UUID]


class ComposedFeed(NamedTuple):
    """What one user is to be recommended, and the moment of the newest interaction that counted."""

    user_id: UUID
    recommendations: Sequence[Recommendation]
    built_up_to: datetime


@dataclass(frozen=True, slots=True)
class ComposedFeeds:
    """Those of many users, by one model; without one they are popular posts.

    may_have_texts: posts in them whose ids can stand for texts, each once.
    """

    feeds: Sequence[ComposedFeed]
    may_have_texts: Sequence[UUID] = ()
    model_version: str | None = None
    epoch: int = 0
