"""Stored feeds that nobody will ask for."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.feed import FeedOrder


@dataclass(frozen=True, slots=True)
class Idleness:
    """A feed is idle that expired before the moment and whose user did nothing in so many days before data-now."""

    expired_before: datetime
    days: int


class IdleFeeds(Protocol):
    """Finds them in batches of bounded size, whatever else is stored. Raises ArchiveUnavailable."""

    async def count(self, idleness: Idleness) -> int:
        """How many there are."""
        ...

    def removed(self, idleness: Idleness) -> AsyncIterator[Mapping[UUID, FeedOrder]]:
        """Remove them, a batch at a time, and give whose feeds they were; one that is renewed meanwhile stays."""
        ...
