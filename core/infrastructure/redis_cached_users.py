"""All that Redis holds of a user, read in one round trip that many users share."""

from uuid import UUID

from core.domain.cached_user import CachedUser
from core.infrastructure.gathered_reads import GatheredReads
from core.infrastructure.redis_feed_cache import cold_key, feed_key, read_feed
from core.infrastructure.redis_seen_posts import read_change, seen_key


class RedisCachedUsers:
    """Three keys a user."""

    def __init__(self, reads: GatheredReads) -> None:
        self._reads = reads

    async def get(self, user_id: UUID) -> CachedUser:
        """A value that cannot be read counts as forgotten."""
        text = str(user_id)
        feed, change, cold = await self._reads.ask(feed_key(text), seen_key(text), cold_key(text))
        return CachedUser(
            None if feed is None else read_feed(user_id, feed),
            None if change is None else read_change(user_id, change),
            cold is not None,
        )
