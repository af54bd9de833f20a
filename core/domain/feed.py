"""A user's ranked list of recommendations, and which of two lists is the newer one."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Self
from uuid import UUID

from core.domain.user_change import UserChange

POPULAR_MODEL_VERSION = "popular"


class Reason(StrEnum):
    """Why a post is in a feed."""

    COLLABORATIVE_FILTERING = "collaborative_filtering"
    POPULAR = "popular"


class FeedSource(StrEnum):
    """Where an answer came from."""

    CACHE = "cache"
    ARCHIVE = "archive"
    GENERATED = "generated"
    STALE = "stale"
    POPULAR = "popular"


class Recommendation(NamedTuple):
    """One post of a feed; `score` is in [0, 1], relative to the feed's best.

    A tuple: a web process makes a hundred and fifty for each answer, four times as fast as objects with slots.
    """

    post_id: UUID
    score: float
    reason: Reason


class KeyedRecommendations(Sequence[Recommendation]):
    """A list that tells the ids of its posts, and gives some of them, without making objects of them all."""

    __slots__ = ()

    @abstractmethod
    def keys(self) -> Sequence[bytes]:
        """The sixteen bytes of each post's id."""

    @abstractmethod
    def picked(self, places: Sequence[int]) -> Sequence[Recommendation]:
        """Those at these places, which rise."""


def keys_of(recommendations: Sequence[Recommendation]) -> Sequence[bytes]:
    """The sixteen bytes of each post's id."""
    if isinstance(recommendations, KeyedRecommendations):
        return recommendations.keys()
    return [item.post_id.bytes for item in recommendations]


def picked(recommendations: Sequence[Recommendation], places: Sequence[int]) -> Sequence[Recommendation]:
    """Those at these places, which rise."""
    if isinstance(recommendations, KeyedRecommendations):
        return recommendations.picked(places)
    return [recommendations[place] for place in places]


_NUMBER_DIGITS = 20
ORDER_DIGITS = 2 * _NUMBER_DIGITS


class FeedOrder(NamedTuple):
    """What decides which of two feeds of a user is newer; no clock does."""

    epoch: int
    generation: int

    @property
    def digits(self) -> str:
        """Forty digits that compare as text like the order does."""
        return "".join(f"{number:0{_NUMBER_DIGITS}d}" for number in self)

    @classmethod
    def of_digits(cls, digits: bytes) -> Self:
        """The order that these forty digits are. Raises ValueError for anything else."""
        return cls(int(digits[:_NUMBER_DIGITS]), int(digits[_NUMBER_DIGITS:]))


NO_FEED = FeedOrder(0, 0)
PROVISIONAL_GENERATION = 0  # no sequence gives it out: whatever is made with a history is newer


class FirstPage(NamedTuple):
    """A feed's first `limit` recommendations as they go out, prepared in advance; opaque but to who sends it."""

    limit: int
    rendering: object


@dataclass(frozen=True, slots=True)
class Feed:
    """One user's recommendations, best first.

    `external_ids` holds the text of those post ids that are not UUIDs in the app; `built_up_to` is the moment of the
    newest interaction of the user that counted, None where there was none; `built_sequence` the number of the latest
    change that it knows of; `compute_ms` is how long a worker was at it, where that is known; `change` is what the user
    has done since, where the feed's source tells.
    """

    user_id: UUID
    recommendations: Sequence[Recommendation]
    model_version: str
    order: FeedOrder
    generated_at: datetime
    expires_at: datetime
    built_up_to: datetime | None = None
    built_sequence: int = 0
    external_ids: Mapping[UUID, str] = field(default_factory=dict)
    compute_ms: float = field(default=0.0, compare=False)
    first_page: FirstPage | None = field(default=None, compare=False)
    change: UserChange | None = field(default=None, compare=False)

    @property
    def is_provisional(self) -> bool:
        """Whether a model made it without the history, while Postgres was away; such a feed is never archived."""
        return self.order.generation == PROVISIONAL_GENERATION and self.model_version != POPULAR_MODEL_VERSION

    def is_fresh(self, now: datetime) -> bool:
        """Whether the feed may still be served without a mark."""
        return now < self.expires_at

    def text_of(self, post_id: UUID) -> str:
        """The post's id as the app wrote it."""
        return self.external_ids.get(post_id) or str(post_id)
