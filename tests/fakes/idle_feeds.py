"""Idle feeds among those of a fake archive."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from core.application.ports.idle_feeds import Idleness
from core.domain.errors import ArchiveUnavailable
from core.domain.feed import Feed, FeedOrder


@dataclass
class FakeIdleFeeds:
    """`feeds` are all that are stored; `acted_at`: each user's newest interaction."""

    feeds: dict[UUID, Feed] = field(default_factory=dict)
    acted_at: dict[UUID, datetime] = field(default_factory=dict)
    unavailable: bool = False

    async def count(self, idleness: Idleness) -> int:
        return len(self._idle(idleness))

    async def removed(self, idleness: Idleness) -> AsyncIterator[Mapping[UUID, FeedOrder]]:
        """One at a time."""
        for user_id in self._idle(idleness):
            yield {user_id: self.feeds.pop(user_id).order}

    def _idle(self, idleness: Idleness) -> list[UUID]:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
        newest = max(self.acted_at.values(), default=None)
        since = None if newest is None else newest - timedelta(days=idleness.days)
        return [
            user_id
            for user_id, feed in self.feeds.items()
            if feed.expires_at < idleness.expired_before and not self._has_acted(user_id, since)
        ]

    def _has_acted(self, user_id: UUID, since: datetime | None) -> bool:
        return since is not None and user_id in self.acted_at and self.acted_at[user_id] >= since
