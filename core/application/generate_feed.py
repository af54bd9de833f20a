"""Generate one user's feed: what a worker does for a message."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.application.make_provisional_feed import MakeProvisionalFeed
from core.application.ports.clock import Clock
from core.application.ports.external_ids import ExternalIds
from core.application.ports.feed_archive import FeedArchive
from core.application.ports.feed_cache import FeedCache
from core.application.ports.hidden_posts import HiddenPosts
from core.application.ports.interaction_history import InteractionHistory
from core.application.ports.job_queue import JobQueue
from core.application.ports.popular_posts import HeldPopularFeed
from core.application.ports.recommender import Recommender
from core.domain.composition import Composition
from core.domain.errors import ArchiveUnavailable, CacheUnavailable, QueueUnavailable
from core.domain.feed import POPULAR_MODEL_VERSION, Feed, FeedOrder, Reason
from core.domain.history import History
from core.domain.job import GenerateMessage
from core.domain.ranking import Ranking

# A feed made while there was no model is replaced soon after the first training.
VALID_WITHOUT_MODEL = timedelta(minutes=10)
SESSION_VALID_FOR = timedelta(minutes=5)
# Posts that nobody else has met yet may have been met by others soon.
UNMET_VALID_FOR = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class GenerateFeed:
    """Durable first, then visible, then the next job may begin; a run that is repeated does no harm."""

    history: InteractionHistory
    recommender: Recommender
    popular: HeldPopularFeed
    hidden_posts: HiddenPosts
    external_ids: ExternalIds
    archive: FeedArchive
    cache: FeedCache
    queue: JobQueue
    clock: Clock
    composition: Composition
    valid_for: timedelta
    make_provisional_feed: MakeProvisionalFeed

    async def __call__(self, message: GenerateMessage) -> Feed | None:
        """The new feed; None for a user without any history, for whom none is stored.

        Raises ArchiveUnavailable, also where a provisional feed was made: the message is not done.
        """
        try:
            return await self._generated(message)
        except ArchiveUnavailable:
            if await self.make_provisional_feed(message.user_id):
                # Whoever asks once Postgres is back begins a job at once instead of joining one that pauses.
                await self._end(message, feed=None)
            raise

    async def _generated(self, message: GenerateMessage) -> Feed | None:
        began = self.clock.now()
        _, history = await asyncio.gather(self._mark_running(message), self.history.read(message.user_id))
        if message.recent_post_ids:
            feed: Feed | None = await self._of_session(history.of_session(message.recent_post_ids))
        else:
            feed = await self._archived(await self._composed(history)) if history.interactions else None
        if feed is not None:
            await self._show(replace(feed, compute_ms=(self.clock.now() - began) / timedelta(milliseconds=1)))
        await self._end(message, feed)
        return feed

    async def _composed(self, history: History, composition: Composition | None = None) -> Feed:
        composition = composition or self.composition
        ranking = await self.recommender.rank(history, composition.depth)
        hidden = self.hidden_posts.current()
        popular = self.popular.current().shown(hidden)
        recommendations = composition.compose(ranking.shown(hidden), popular, history.post_ids)
        now = self.clock.now()
        return Feed(
            user_id=history.user_id,
            recommendations=recommendations,
            model_version=ranking.model_version or POPULAR_MODEL_VERSION,
            order=FeedOrder(ranking.epoch, history.generation),
            generated_at=now,
            expires_at=self._expiry(now, ranking),
            built_up_to=history.built_up_to,
            built_sequence=history.sequence,
        )

    async def _of_session(self, history: History) -> Feed:
        """Kept in the cache alone, as nobody comes back to it; the model is asked however little is known."""
        feed = await self._composed(history, replace(self.composition, cold_start_threshold=1))
        texts = await self.external_ids.texts_of([item.post_id for item in feed.recommendations])
        is_met = any(item.reason is Reason.COLLABORATIVE_FILTERING for item in feed.recommendations)
        expires_at = feed.generated_at + (SESSION_VALID_FOR if is_met else UNMET_VALID_FOR)
        return replace(feed, expires_at=min(feed.expires_at, expires_at), external_ids=texts)

    async def _archived(self, feed: Feed) -> Feed:
        """What the archive holds afterwards, with the texts of ids: a newer feed stays, and is the one to show."""
        post_ids = [item.post_id for item in feed.recommendations]
        is_stored, texts = await asyncio.gather(self.archive.put(feed), self.external_ids.texts_of(post_ids))
        if is_stored:
            return replace(feed, external_ids=texts)
        return await self.archive.get(feed.user_id) or feed

    def _expiry(self, now: datetime, ranking: Ranking) -> datetime:
        return now + (self.valid_for if ranking.model_version else min(self.valid_for, VALID_WITHOUT_MODEL))

    async def _show(self, feed: Feed) -> None:
        """The archive has it, or nobody misses it: a cache that is away costs time only."""
        try:
            await self.cache.put(feed)
        except CacheUnavailable:
            return

    async def _mark_running(self, message: GenerateMessage) -> None:
        """Only a hint for those who poll."""
        try:
            await self.queue.mark_running(message.user_id)
        except QueueUnavailable:
            return

    async def _end(self, message: GenerateMessage, feed: Feed | None) -> None:
        """A lease that cannot be ended expires by itself."""
        try:
            if feed is None:
                await self.queue.release(message.user_id)
            else:
                await self.queue.finish(message.user_id, feed.order)
        except QueueUnavailable:
            return
