"""The lasting copy of feeds."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.feed import Feed


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """How many stored feeds may be served without a mark, and how many may not."""

    fresh: int
    stale: int


class FeedArchive(Protocol):
    """Keeps each user's newest feed for good; a feed of lower order never replaces it. Raises ArchiveUnavailable."""

    async def get(self, user_id: UUID) -> Feed | None:
        """The user's stored feed, fresh or not, with the texts of its post ids."""
        ...

    async def put(self, feed: Feed) -> bool:
        """Store the feed; False if a newer one stays. The external ids are not written: they are known already."""
        ...

    async def put_many(self, feeds: Sequence[Feed]) -> Sequence[Feed]:
        """Store all of them or, where that fails, none, one a user; those that no newer feed kept out."""
        ...

    async def count(self, now: datetime, stale_versions: frozenset[str] = frozenset()) -> FeedCounts:
        """How many stored feeds are fresh and stale at this moment; those of the named models are stale."""
        ...

    def users_of(self, model_version: str) -> AsyncIterator[Sequence[UUID]]:
        """Whose feeds that model made, in batches, those who acted last first."""
        ...
