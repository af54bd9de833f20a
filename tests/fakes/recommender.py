"""A recommender that answers from a list."""

from dataclasses import dataclass, field
from uuid import UUID

from core.domain.history import History
from core.domain.ranking import Ranking, Recollection


@dataclass
class FakeRecommender:
    """Ranks `posts` for everybody, leaving out the history's; without `model_version` no model is loaded.

    `learned` are the posts of the users whom the model knows.
    """

    posts: list[tuple[UUID, float]] = field(default_factory=list)
    model_version: str | None = "collaborative_filtering_v1"
    epoch: int = 1
    learned: dict[UUID, frozenset[UUID]] = field(default_factory=dict)

    async def rank(self, history: History, limit: int) -> Ranking:
        if self.model_version is None:
            return Ranking()
        return self._ranked(history.post_ids, limit)

    async def recall(self, user_id: UUID, limit: int) -> Recollection | None:
        post_ids = self.learned.get(user_id)
        if self.model_version is None or post_ids is None:
            return None
        return Recollection(self._ranked(post_ids, limit), post_ids)

    def _ranked(self, seen: frozenset[UUID], limit: int) -> Ranking:
        unseen = [(post_id, score) for post_id, score in self.posts if post_id not in seen]
        return Ranking(tuple(unseen[:limit]), self.model_version, self.epoch)
