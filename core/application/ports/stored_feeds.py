"""How many feeds are stored, and how fresh."""

from datetime import datetime
from typing import Protocol

from core.domain.levels import FeedStock


class StoredFeeds(Protocol):
    """Looks at no more than a bounded part of very many feeds, and estimates. Raises ArchiveUnavailable."""

    async def take_stock(self, now: datetime, stale_versions: frozenset[str] = frozenset()) -> FeedStock:
        """Fresh and stale feeds at this moment; those of the named models are stale."""
        ...
