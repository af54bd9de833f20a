"""The quick copy of feeds."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from core.domain.feed import Feed, FeedOrder


class FeedCache(Protocol):
    """May forget any feed at any time, and a score's digits beyond the sixth; never replaces a feed by a lower order's.

    Raises CacheUnavailable.
    """

    async def get(self, user_id: UUID) -> Feed | None:
        """The feed held for the user, fresh or not."""
        ...

    async def put(self, feed: Feed) -> bool:
        """In one step hold the feed until it expires and signal whoever listens; False if a newer one stays."""
        ...

    async def put_many(self, feeds: Sequence[Feed]) -> None:
        """Hold each feed as `put` does, in few round trips, and signal nobody: nobody waits for them."""
        ...

    async def put_provisional(self, feed: Feed) -> bool:
        """Hold the feed for as long as it is fresh, and signal, if none of the user is there; False if one is."""
        ...

    async def announce(self, user_id: UUID) -> None:
        """Signal without a feed: whoever listens looks again, and need not wait for what will not come."""
        ...

    async def forget(self, orders: Mapping[UUID, FeedOrder]) -> None:
        """Let go of these users' feeds, but for those of a higher order than is given."""
        ...

    async def is_cold(self, user_id: UUID) -> bool:
        """Whether the user was lately found to have no history."""
        ...

    async def mark_cold(self, user_id: UUID) -> None:
        """Remember for a short while that the user has no history."""
        ...
