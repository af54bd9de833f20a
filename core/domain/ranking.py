"""What a model alone says about a user, before it becomes a feed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from core.domain.feed import Recommendation
from core.domain.post_set import PostSet


@dataclass(frozen=True, slots=True)
class Ranking:
    """Posts with raw scores (positive, best first, ties by id); empty and of epoch 0 where no model is loaded."""

    posts: tuple[tuple[UUID, float], ...] = ()
    model_version: str | None = None
    epoch: int = 0

    def shown(self, hidden: PostSet) -> "Ranking":
        """The same without hidden posts."""
        return replace(self, posts=tuple(entry for entry in self.posts if entry[0] not in hidden))


@dataclass(frozen=True, slots=True)
class Recollection:
    """The same from what the model has kept of the user's history itself, and the posts of that history."""

    ranking: Ranking
    post_ids: frozenset[UUID]


class ComposedFeed(NamedTuple):
    """What one user is to be recommended, the moment of the newest interaction that counted, and the latest change."""

    user_id: UUID
    recommendations: Sequence[Recommendation]
    built_up_to: datetime
    built_sequence: int = 0


@dataclass(frozen=True, slots=True)
class ComposedFeeds:
    """Those of many users, by one model; without one they are popular posts.

    may_have_texts: posts in them whose ids can stand for texts, each once.
    """

    feeds: Sequence[ComposedFeed]
    may_have_texts: Sequence[UUID] = ()
    model_version: str | None = None
    epoch: int = 0
