"""All that is cached of a user, asked for one by one."""

from dataclasses import dataclass
from uuid import UUID

from core.application.ports.feed_cache import FeedCache
from core.application.ports.seen_posts import SeenPosts
from core.domain.cached_user import CachedUser


@dataclass
class FakeCachedUsers:
    """What two others hold; away when either is."""

    cache: FeedCache
    seen_posts: SeenPosts

    async def get(self, user_id: UUID) -> CachedUser:
        feed, is_cold = await self.cache.get(user_id), await self.cache.is_cold(user_id)
        return CachedUser(feed, await self.seen_posts.get(user_id), is_cold)
