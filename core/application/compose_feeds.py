"""Compose the feeds of many users at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from core.application.generate_feed import VALID_WITHOUT_MODEL
from core.application.ports.clock import Clock
from core.application.ports.external_ids import ExternalIds
from core.application.ports.hidden_posts import HiddenPosts
from core.application.ports.history_batches import HistoryBatches
from core.application.ports.popular_posts import HeldPopularFeed
from core.application.ports.recommender import Recommender
from core.domain.composition import Composition
from core.domain.feed import POPULAR_MODEL_VERSION, Feed, FeedOrder


@dataclass(frozen=True, slots=True)
class ComposeFeeds:
    """One query, one call of the recommender; whoever asked stores what comes of it."""

    histories: HistoryBatches
    recommender: Recommender
    popular: HeldPopularFeed
    hidden_posts: HiddenPosts
    external_ids: ExternalIds
    clock: Clock
    composition: Composition
    valid_for: timedelta

    async def __call__(self, user_ids: Sequence[UUID]) -> Sequence[Feed]:
        """Feeds of those at the cold-start threshold. Raises ArchiveUnavailable."""
        histories = await self.histories.read(user_ids)
        popular = self.popular.current().shown(self.hidden_posts.current())
        composed = await self.recommender.compose_many(histories, popular, self.composition)
        texts = await self.external_ids.texts_of(composed.may_have_texts) if composed.may_have_texts else {}
        now = self.clock.now()
        valid_for = self.valid_for if composed.model_version else min(self.valid_for, VALID_WITHOUT_MODEL)
        order = FeedOrder(composed.epoch, histories.generation)
        return [
            Feed(
                user_id=user_id,
                recommendations=recommendations,
                model_version=composed.model_version or POPULAR_MODEL_VERSION,
                order=order,
                generated_at=now,
                expires_at=now + valid_for,
                built_up_to=built_up_to,
                built_sequence=built_sequence,
                external_ids={item.post_id: texts[item.post_id] for item in recommendations if item.post_id in texts}
                if texts
                else {},
            )
            for user_id, recommendations, built_up_to, built_sequence in composed.feeds
        ]
