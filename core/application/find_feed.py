"""Find the best stored feed of a user: the cache's if it is fresh, else the newer of cache and archive."""

from dataclasses import dataclass
from uuid import UUID

from core.application.ports.clock import Clock
from core.application.ports.feed_archive import FeedArchive
from core.application.ports.feed_cache import FeedCache
from core.application.ports.stale_models import StaleModels
from core.domain.errors import ArchiveUnavailable, CacheUnavailable
from core.domain.feed import NO_FEED, Feed, FeedOrder, FeedSource


@dataclass(frozen=True, slots=True)
class FoundFeed:
    """A stored feed and where it lay; the source of one that is no longer fresh is STALE.

    is_all_there_is: the archive could not be asked, and nothing better comes until it can.
    """

    feed: Feed
    source: FeedSource
    is_all_there_is: bool = False

    @property
    def is_fresh(self) -> bool:
        """Whether it may be served without a mark."""
        return self.source is not FeedSource.STALE


@dataclass(frozen=True, slots=True)
class FindFeed:
    """A fresh feed that only the archive had goes back to the cache. Raises ArchiveUnavailable when none could tell.

    A provisional feed is stale for as long as the archive answers, even where that has none.
    """

    cache: FeedCache
    archive: FeedArchive
    stale_models: StaleModels
    clock: Clock

    async def __call__(self, user_id: UUID) -> FoundFeed | None:
        """The feed, or None when the user has none at all."""
        return await self.beyond_cache(user_id, await self.in_cache(user_id))

    async def in_cache(self, user_id: UUID) -> FoundFeed | None:
        """What the cache holds, None also while it is away: enough for a look again, as feeds are shown there last."""
        cached = await self._from_cache(user_id)
        if cached is None:
            return None
        is_fresh = self._is_fresh(cached) and not cached.is_provisional
        return FoundFeed(cached, FeedSource.CACHE if is_fresh else FeedSource.STALE)

    async def beyond_cache(self, user_id: UUID, in_cache: FoundFeed | None) -> FoundFeed | None:
        """The same as a call, for somebody who has looked into the cache already."""
        if in_cache is not None and in_cache.is_fresh:
            return in_cache
        cached = in_cache.feed if in_cache is not None else None
        try:
            archived = await self.archive.get(user_id)
        except ArchiveUnavailable:
            if cached is None:
                raise
            source = FeedSource.CACHE if self._is_fresh(cached) else FeedSource.STALE
            return FoundFeed(cached, source, is_all_there_is=True)
        newest = max((feed for feed in (cached, archived) if feed is not None), key=_order, default=None)
        if newest is None:
            return None
        if newest.is_provisional or not self._is_fresh(newest):
            return FoundFeed(newest, FeedSource.STALE)
        await self._refill(newest)
        return FoundFeed(newest, FeedSource.ARCHIVE)

    def _is_fresh(self, feed: Feed) -> bool:
        return feed.is_fresh(self.clock.now()) and not self.stale_models.includes(feed.model_version)

    async def _from_cache(self, user_id: UUID) -> Feed | None:
        try:
            return await self.cache.get(user_id)
        except CacheUnavailable:
            return None

    async def _refill(self, feed: Feed) -> None:
        try:
            await self.cache.put(feed)
        except CacheUnavailable:
            return


def _order(feed: Feed) -> FeedOrder:
    """Whatever the archive has was made with the history: it comes before a provisional feed of any epoch."""
    return NO_FEED if feed.is_provisional else feed.order
