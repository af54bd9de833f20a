"""Who is to get a new feed because the one they have just read is behind."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID


class RenewalRequests(Protocol):
    """May forget any at any time: the next reading asks again. All but `note` raise CacheUnavailable."""

    def note(self, user_id: UUID) -> None:
        """Ask for the user; kept in this process until it is flushed."""
        ...

    async def flush(self) -> None:
        """Tell the workers of what was noted here; forgotten where that fails."""
        ...

    async def take(self, at_most: int) -> Collection[UUID]:
        """Some of those asked for, who then are not any more."""
        ...
