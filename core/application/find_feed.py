"""Find the best stored feed of a user: the cache's if it is fresh, else the newer of cache and archive."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from core.application.ports.cached_users import CachedUsers
from core.application.ports.clock import Clock
from core.application.ports.feed_archive import FeedArchive
from core.application.ports.feed_cache import FeedCache
from core.application.ports.seen_posts import SeenPosts
from core.application.ports.stale_models import StaleModels
from core.domain.errors import ArchiveUnavailable, CacheUnavailable
from core.domain.feed import NO_FEED, Feed, FeedOrder, FeedSource
from core.domain.user_change import UserChange


class FoundFeed(NamedTuple):
    """A stored feed and where it lay; the source of one that is no longer fresh is STALE.

    change: what the user has done that the feed does not know of, None where it knows of all; is_all_there_is: the
    archive could not be asked, and nothing better comes until it can; is_behind: the caller has asked for one that
    knows of more. A tuple: each cached answer makes one.
    """

    feed: Feed
    source: FeedSource
    change: UserChange | None = None
    is_all_there_is: bool = False
    is_behind: bool = False

    @property
    def is_fresh(self) -> bool:
        """Whether it may be served without a mark."""
        return self.source is not FeedSource.STALE


class CacheLook(NamedTuple):
    """What the cache alone has; is_cold: no feed, and lately no history was found that one could be made of."""

    found: FoundFeed | None
    is_cold: bool = False


@dataclass(frozen=True, slots=True)
class FindFeed:
    """A fresh feed that only the archive had goes back to the cache. Raises ArchiveUnavailable when none could tell.

    A provisional feed is stale for as long as the archive answers, even where that has none.
    """

    cached_users: CachedUsers
    cache: FeedCache
    seen_posts: SeenPosts
    archive: FeedArchive
    stale_models: StaleModels
    clock: Clock

    async def __call__(self, user_id: UUID) -> FoundFeed | None:
        """The feed, or None when the user has none at all."""
        return await self.beyond_cache(user_id, await self.in_cache(user_id))

    async def in_cache(self, user_id: UUID) -> FoundFeed | None:
        """What the cache holds, None also while it is away: enough for a look again, as feeds are shown there last."""
        return (await self.look(user_id)).found

    async def look(self, user_id: UUID) -> CacheLook:
        """The same, and whether the user is known to have no history: one round trip."""
        try:
            feed, change, is_cold = await self.cached_users.get(user_id)
        except CacheUnavailable:
            return CacheLook(None)
        if feed is None:
            return CacheLook(None, is_cold)
        is_fresh = self._is_fresh(feed) and not feed.is_provisional
        source = FeedSource.CACHE if is_fresh else FeedSource.STALE
        return CacheLook(FoundFeed(feed, source, _unknown_to(feed, change)))

    async def seen_by(self, user_id: UUID) -> UserChange | None:
        """What the user has done lately, for an answer without a feed of the user's own."""
        try:
            return await self.seen_posts.get(user_id)
        except CacheUnavailable:
            return None

    async def beyond_cache(self, user_id: UUID, in_cache: FoundFeed | None) -> FoundFeed | None:
        """The same as a call, for somebody who has looked into the cache already."""
        if in_cache is not None and in_cache.is_fresh:
            return in_cache
        cached, change = (in_cache.feed, in_cache.change) if in_cache is not None else (None, None)
        try:
            archived = await self.archive.get(user_id)
        except ArchiveUnavailable:
            if cached is None:
                raise
            source = FeedSource.CACHE if self._is_fresh(cached) else FeedSource.STALE
            return FoundFeed(cached, source, change, is_all_there_is=True)
        newest = max((feed for feed in (cached, archived) if feed is not None), key=_order, default=None)
        if newest is None:
            return None
        change = _unknown_to(newest, change if archived is None else archived.change or change)
        if newest.is_provisional or not self._is_fresh(newest):
            return FoundFeed(newest, FeedSource.STALE, change)
        await self._refill(newest, change)
        return FoundFeed(newest, FeedSource.ARCHIVE, change)

    def _is_fresh(self, feed: Feed) -> bool:
        return feed.is_fresh(self.clock.now()) and not self.stale_models.includes(feed.model_version)

    async def _refill(self, feed: Feed, change: UserChange | None) -> None:
        """Without the change the cache would hold the feed for one that knows of everything."""
        try:
            if change is not None:
                await self.seen_posts.add([change])
            await self.cache.put(feed)
        except CacheUnavailable:
            return


def _unknown_to(feed: Feed, change: UserChange | None) -> UserChange | None:
    return change if change is not None and change.sequence > feed.built_sequence else None


def _order(feed: Feed) -> FeedOrder:
    """Whatever the archive has was made with the history: it comes before a provisional feed of any epoch."""
    return NO_FEED if feed.is_provisional else feed.order
