"""Stored feeds in a dict."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from core.application.ports.feed_archive import FeedCounts
from core.domain.errors import ArchiveUnavailable
from core.domain.feed import Feed
from core.domain.user_change import UserChange


@dataclass
class FakeFeedArchive:
    """`texts` are the external ids that Postgres would know, `changes` what users did; `generation` is the highest
    drawn so far."""

    feeds: dict[UUID, Feed] = field(default_factory=dict)
    texts: dict[UUID, str] = field(default_factory=dict)
    generation: int = 0
    changes: dict[UUID, UserChange] = field(default_factory=dict)
    unavailable: bool = False

    async def get(self, user_id: UUID) -> Feed | None:
        self._answer()
        feed = self.feeds.get(user_id)
        if feed is None:
            return None
        post_ids = [recommendation.post_id for recommendation in feed.recommendations]
        texts = {id_: self.texts[id_] for id_ in post_ids if id_ in self.texts}
        change = self.changes.get(user_id)
        is_due = change is not None and change.sequence > feed.built_sequence
        return replace(feed, external_ids=texts, change=change if is_due else None)

    async def put(self, feed: Feed) -> bool:
        self._answer()
        stored = self.feeds.get(feed.user_id)
        if stored is not None and stored.order >= feed.order:
            return False
        self.feeds[feed.user_id] = feed
        self.generation = max(self.generation, feed.order.generation)
        return True

    async def put_many(self, feeds: Sequence[Feed]) -> Sequence[Feed]:
        return [feed for feed in feeds if await self.put(feed)]

    async def count(self, now: datetime, stale_versions: frozenset[str] = frozenset()) -> FeedCounts:
        self._answer()
        fresh = sum(feed.is_fresh(now) and feed.model_version not in stale_versions for feed in self.feeds.values())
        return FeedCounts(fresh, len(self.feeds) - fresh)

    async def users_of(self, model_version: str) -> AsyncIterator[Sequence[UUID]]:
        self._answer()
        feeds = [feed for feed in self.feeds.values() if feed.model_version == model_version]
        never = datetime.min.replace(tzinfo=UTC)
        for feed in sorted(feeds, key=lambda feed: feed.built_up_to or never, reverse=True):
            yield [feed.user_id]

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
