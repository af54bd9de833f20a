"""What a model alone says about a user, before it becomes a feed."""

from dataclasses import dataclass
from uuid import UUID


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
