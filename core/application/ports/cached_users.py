"""All that is cached of a user."""

from typing import Protocol
from uuid import UUID

from core.domain.cached_user import CachedUser


class CachedUsers(Protocol):
    """Reads what `FeedCache` and `SeenPosts` hold, in one round trip. Raises CacheUnavailable."""

    async def get(self, user_id: UUID) -> CachedUser:
        """What is there; all of it may have been forgotten."""
        ...
