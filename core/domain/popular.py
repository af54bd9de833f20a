"""The posts that anyone might like, for users nobody knows yet and to fill short feeds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import compress
from uuid import UUID

from core.domain.post_set import PostSet


@dataclass(frozen=True, slots=True)
class PopularFeed:
    """The popular posts, best first, with scores in (0, 1]; `generation` rises with every refresh, 0 means none yet."""

    post_ids: tuple[UUID, ...] = ()
    scores: tuple[float, ...] = ()
    generation: int = 0
    computed_at: datetime | None = None
    external_ids: Mapping[UUID, str] = field(default_factory=dict)

    def shown(self, hidden: PostSet) -> "PopularFeed":
        """The same without hidden posts."""
        is_shown = [post_id not in hidden for post_id in self.post_ids]
        post_ids, scores = compress(self.post_ids, is_shown), compress(self.scores, is_shown)
        return replace(self, post_ids=tuple(post_ids), scores=tuple(scores))

    def without(self, seen: frozenset[UUID]) -> Iterator[tuple[UUID, float]]:
        """Posts and scores, best first, leaving out those in `seen`."""
        pairs = zip(self.post_ids, self.scores, strict=True)
        return ((post_id, score) for post_id, score in pairs if post_id not in seen)
