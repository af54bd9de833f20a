"""A recommender that answers from a list."""

from dataclasses import dataclass, field
from uuid import UUID

from core.domain.history import History
from core.domain.ranking import Ranking


@dataclass
class FakeRecommender:
    """Ranks `posts` for everybody, leaving out the history's; without `model_version` no model is loaded."""

    posts: list[tuple[UUID, float]] = field(default_factory=list)
    model_version: str | None = "collaborative_filtering_v1"
    epoch: int = 1

    async def rank(self, history: History, limit: int) -> Ranking:
        if self.model_version is None:
            return Ranking()
        unseen = [(post_id, score) for post_id, score in self.posts if post_id not in history.post_ids]
        return Ranking(tuple(unseen[:limit]), self.model_version, self.epoch)
