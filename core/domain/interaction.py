"""What a user did with a post."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class InteractionType(StrEnum):
    """The four things a user can do with a post, the weakest first."""

    VIEW = "view"
    CLICK = "click"
    LIKE = "like"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One act of one user on one post; `created_at` is aware, in UTC."""

    user_id: UUID
    post_id: UUID
    type: InteractionType
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InteractionWeights:
    """How much each type of interaction says about taste, relative to the others; not negative."""

    view: float = 0.1
    click: float = 0.3
    like: float = 0.7
    share: float = 1.0

    def of(self, interaction_type: InteractionType) -> float:
        """The weight of one interaction of this type."""
        return float(getattr(self, interaction_type.value))
