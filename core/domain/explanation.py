"""Why a post is in a user's list: what a model says of one history, taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from core.domain.interaction import Interaction


class InfluenceKind(StrEnum):
    """Who or what spoke for a post."""

    NEIGHBOUR = "neighbour"
    OWN_POST = "own_post"


@dataclass(frozen=True, slots=True)
class Influence:
    """One part of a post's score: strength · vote.

    id: of the neighbour, or of the history's post; strength: how similar the neighbour is, or what the post weighs;
    vote: what the neighbour's interactions say for the post, or how strongly the two posts are linked; share: of the
    whole score; interactions: the neighbour's with the post, where they were asked for.
    """

    kind: InfluenceKind
    id: UUID
    strength: float
    vote: float
    share: float
    interactions: tuple[Interaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A user whose taste counts for another, and how similar it is, from 0 to 1."""

    user_id: UUID
    similarity: float


@dataclass(frozen=True, slots=True)
class PostView:
    """What a model says of one post for one history.

    is_known: whether the model has ever met the post; place: in its ranking of posts not seen, from 1, None where it is
    not among the first so many; raw_score: as the model gives it; influences: the strongest first.
    """

    post_id: UUID
    is_known: bool
    place: int | None
    raw_score: float
    influences: tuple[Influence, ...]


@dataclass(frozen=True, slots=True)
class ModelView:
    """What a model says of one history: its neighbours, the nearest first, and the posts that were asked for.

    weights: what each post of the history counts, those alone that the model knows; best_score: the ranking's first.
    """

    weights: Mapping[UUID, float]
    neighbours: tuple[Neighbour, ...]
    posts: tuple[PostView, ...]
    best_score: float
    external_ids: Mapping[UUID, str] = field(default_factory=dict)
