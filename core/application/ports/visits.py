"""Who asked for a feed lately."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol
from uuid import UUID


class Visits(Protocol):
    """May forget any visit at any time. All but `note` raise CacheUnavailable."""

    def note(self, user_id: UUID) -> None:
        """The user asks now; kept in this process until it is flushed."""
        ...

    async def flush(self) -> None:
        """Tell all processes of what was noted here; forgotten where that fails."""
        ...

    async def recent_among(self, user_ids: Collection[UUID]) -> set[UUID]:
        """Those of them whose last visit is recent."""
        ...

    def recent(self) -> AsyncIterator[Sequence[UUID]]:
        """All recent visitors, some at a time, the latest first."""
        ...
