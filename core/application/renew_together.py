"""Make the feeds of some due users anew, together."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from core.application.compose_feeds import ComposeFeeds
from core.application.ports.feed_archive import FeedArchive
from core.application.ports.feed_cache import FeedCache
from core.domain.errors import CacheUnavailable


@dataclass(frozen=True, slots=True)
class RenewTogether:
    """Durable first, which ends marks, then visible; repeated it does no harm."""

    compose_feeds: ComposeFeeds
    archive: FeedArchive
    cache: FeedCache

    async def __call__(self, user_ids: Sequence[UUID]) -> Collection[UUID]:
        """Those who have a feed of now or newer: who is below the cold-start threshold is not among them.

        Raises ArchiveUnavailable.
        """
        feeds = await self.compose_feeds(user_ids)
        stored = await self.archive.put_many(feeds)
        with suppress(CacheUnavailable):
            await self.cache.put_many(stored)
        return [feed.user_id for feed in feeds]
