"""A recommender that answers from a list."""

from dataclasses import dataclass, field
from uuid import UUID

from core.domain.composition import Composition
from core.domain.history import History, HistoryBatch
from core.domain.ids import may_stand_for_text
from core.domain.popular import PopularFeed
from core.domain.ranking import ComposedFeed, ComposedFeeds, Ranking, Recollection
from tests.fakes.history_batches import FakeHistoryBatch


@dataclass
class FakeRecommender:
    """Ranks `posts` for everybody, leaving out the history's; without `model_version` no model is loaded.

    `learned` are the posts of the users whom the model knows; over batches with any of the `poisonous` it fails.
    """

    posts: list[tuple[UUID, float]] = field(default_factory=list)
    model_version: str | None = "collaborative_filtering_v1"
    epoch: int = 1
    learned: dict[UUID, frozenset[UUID]] = field(default_factory=dict)
    poisonous: set[UUID] = field(default_factory=set)

    async def rank(self, history: History, limit: int) -> Ranking:
        if self.model_version is None:
            return Ranking()
        return self._ranked(history.post_ids, limit)

    async def recall(self, user_id: UUID, limit: int) -> Recollection | None:
        post_ids = self.learned.get(user_id)
        if self.model_version is None or post_ids is None:
            return None
        return Recollection(self._ranked(post_ids, limit), post_ids)

    async def compose_many(
        self, histories: HistoryBatch, popular: PopularFeed, composition: Composition
    ) -> ComposedFeeds:
        assert isinstance(histories, FakeHistoryBatch)
        if self.poisonous.intersection(history.user_id for history in histories.histories):
            raise ArithmeticError("there is poison in it")
        feeds = []
        for history in histories.histories:
            if history.built_up_to is not None and len(history.post_ids) >= composition.cold_start_threshold:
                ranking = await self.rank(history, composition.depth)
                recommendations = composition.compose(ranking, popular, history.post_ids)
                feeds.append(ComposedFeed(history.user_id, recommendations, history.built_up_to, history.sequence))
        post_ids = {item.post_id for feed in feeds for item in feed.recommendations if may_stand_for_text(item.post_id)}
        return ComposedFeeds(feeds, sorted(post_ids), self.model_version, self.epoch if self.model_version else 0)

    def _ranked(self, seen: frozenset[UUID], limit: int) -> Ranking:
        unseen = [(post_id, score) for post_id, score in self.posts if post_id not in seen]
        return Ranking(tuple(unseen[:limit]), self.model_version, self.epoch)
