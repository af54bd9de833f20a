"""Claims that callers took away with them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.job import Ticket


class Tickets(Protocol):
    """What who gives tickets out and takes them back asks for. Raises ArchiveUnavailable."""

    async def add(self, ticket: Ticket) -> None: ...

    async def get(self, ticket_id: UUID) -> Ticket | None:
        """The ticket, expired or not, None where there never was one or it has been purged."""
        ...

    async def remove(self, ticket_id: UUID) -> None: ...


class TicketStore(Tickets, Protocol):
    """Keeps each ticket until it expires, whatever happens to Redis. Raises ArchiveUnavailable."""

    async def fail_all_of(self, user_id: UUID, failure: str) -> None:
        """Write the failure on every ticket of the user that has none and is not expired."""
        ...

    async def count_expired(self, before: datetime) -> int:
        """How many expired before the moment."""
        ...

    async def remove_expired(self, before: datetime, at_most: int) -> int:
        """Remove so many of them, the oldest first; gives how many there were to remove."""
        ...

    def overdue(self, created_before: datetime) -> AbstractAsyncContextManager[Sequence[UUID]]:
        """Users with a history whose open ticket from before that moment waits for a feed, the longest first.

        For one that is newer, and that knows of what its holder has done up to the `min_seq`. Nobody while somebody
        else is inside the block: of all sweepers one is at it.
        """
        ...
