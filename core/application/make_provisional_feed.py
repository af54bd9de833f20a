"""Make do without a user's history: a feed from what the model remembers, for as long as Postgres is away."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from core.application.ports.clock import Clock
from core.application.ports.external_ids import ExternalIds
from core.application.ports.feed_cache import FeedCache
from core.application.ports.hidden_posts import HiddenPosts
from core.application.ports.popular_posts import HeldPopularFeed
from core.application.ports.recommender import Recommender
from core.domain.composition import Composition
from core.domain.errors import CacheUnavailable
from core.domain.feed import POPULAR_MODEL_VERSION, PROVISIONAL_GENERATION, Feed, FeedOrder
from core.domain.ids import may_stand_for_text
from core.domain.popular import PopularFeed
from core.domain.ranking import Recollection

VALID_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class MakeProvisionalFeed:
    """For the cache alone, and only where it holds none; any feed made with a history is newer."""

    recommender: Recommender
    popular: HeldPopularFeed
    hidden_posts: HiddenPosts
    external_ids: ExternalIds
    cache: FeedCache
    clock: Clock
    composition: Composition

    async def __call__(self, user_id: UUID) -> bool:
        """Whether one was made and shown; not for a user whom the model does not know, which is told at once."""
        try:
            if await self.cache.get(user_id) is not None:
                return False
            recollection = await self.recommender.recall(user_id, self.composition.depth)
            feed = self._composed(user_id, recollection) if recollection is not None else None
            if feed is not None and feed.recommendations:
                return await self.cache.put_provisional(feed)
            await self.cache.announce(user_id)
        except CacheUnavailable:
            pass  # nobody can be shown anything
        return False

    def _composed(self, user_id: UUID, recollection: Recollection) -> Feed:
        hidden, now = self.hidden_posts.current(), self.clock.now()
        ranking, popular = recollection.ranking.shown(hidden), self.popular.current().shown(hidden)
        recommendations = self.composition.compose(ranking, popular, recollection.post_ids)
        texts = self._texts([item.post_id for item in recommendations], popular)
        told = tuple(item for item in recommendations if item.post_id in texts or not may_stand_for_text(item.post_id))
        return Feed(
            user_id=user_id,
            recommendations=told,
            model_version=recollection.ranking.model_version or POPULAR_MODEL_VERSION,
            order=FeedOrder(recollection.ranking.epoch, PROVISIONAL_GENERATION),
            generated_at=now,
            expires_at=now + VALID_FOR,
            external_ids={post_id: text for post_id, text in texts.items() if text is not None},
        )

    def _texts(self, post_ids: list[UUID], popular: PopularFeed) -> dict[UUID, str | None]:
        """None for an id that is known to have no text; of the others nobody can be asked now."""
        of_popular = {post_id: popular.external_ids.get(post_id) for post_id in popular.post_ids}
        known = of_popular | dict(self.external_ids.last_told(post_ids))
        return {post_id: known[post_id] for post_id in post_ids if post_id in known}
