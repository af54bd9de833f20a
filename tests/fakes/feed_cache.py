"""Cached feeds in a dict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.domain.errors import CacheUnavailable
from core.domain.feed import Feed, FeedOrder
from tests.fakes.feed_signals import FakeFeedSignals


@dataclass
class FakeFeedCache:
    """Holds feeds until a test takes them away; `signals` hear of every put."""

    signals: FakeFeedSignals | None = None
    feeds: dict[UUID, Feed] = field(default_factory=dict)
    cold: set[UUID] = field(default_factory=set)
    unavailable: bool = False

    async def get(self, user_id: UUID) -> Feed | None:
        self._answer()
        return self.feeds.get(user_id)

    async def put(self, feed: Feed) -> bool:
        self._answer()
        held = self.feeds.get(feed.user_id)
        is_stored = held is None or held.order <= feed.order
        if is_stored:
            self.feeds[feed.user_id] = feed
        if self.signals is not None:
            await self.signals.send(feed.user_id)
        return is_stored

    async def put_many(self, feeds: Sequence[Feed]) -> None:
        self._answer()
        for feed in feeds:
            held = self.feeds.get(feed.user_id)
            if held is None or held.order <= feed.order:
                self.feeds[feed.user_id] = feed

    async def put_provisional(self, feed: Feed) -> bool:
        self._answer()
        if feed.user_id in self.feeds:
            return False
        return await self.put(feed)

    async def announce(self, user_id: UUID) -> None:
        self._answer()
        if self.signals is not None:
            await self.signals.send(user_id)

    async def forget(self, orders: Mapping[UUID, FeedOrder]) -> None:
        self._answer()
        for user_id, order in orders.items():
            if user_id in self.feeds and self.feeds[user_id].order <= order:
                del self.feeds[user_id]

    async def is_cold(self, user_id: UUID) -> bool:
        self._answer()
        return user_id in self.cold

    async def mark_cold(self, user_id: UUID) -> None:
        self._answer()
        self.cold.add(user_id)

    def _answer(self) -> None:
        if self.unavailable:
            raise CacheUnavailable("Redis does not answer: it is a fake")
