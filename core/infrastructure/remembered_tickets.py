"""Tickets that a process has given out or was asked for lately, for as long as Postgres cannot be asked."""

from collections import OrderedDict
from uuid import UUID

from core.application.ports.ticket_store import Tickets
from core.domain.errors import ArchiveUnavailable
from core.domain.job import Ticket

REMEMBERED_AT_MOST = 1000
"""The largest request has 64 KB."""


class RememberedTickets:
    """A ticket says the same for ever, but for its failure: one that is written meanwhile is told afterwards."""

    def __init__(self, tickets: Tickets, at_most: int = REMEMBERED_AT_MOST) -> None:
        self._tickets = tickets
        self._at_most = at_most
        self._remembered: OrderedDict[UUID, Ticket] = OrderedDict()

    async def add(self, ticket: Ticket) -> None:
        """Nothing is given out that is not kept."""
        await self._tickets.add(ticket)
        self._remember(ticket)

    async def get(self, ticket_id: UUID) -> Ticket | None:
        """As it was when Postgres last answered; raises ArchiveUnavailable for one that is not remembered."""
        try:
            ticket = await self._tickets.get(ticket_id)
        except ArchiveUnavailable:
            if ticket_id not in self._remembered:
                raise
            return self._remembered[ticket_id]
        self._remembered.pop(ticket_id, None)
        if ticket is not None:
            self._remember(ticket)
        return ticket

    async def remove(self, ticket_id: UUID) -> None:
        """Here too."""
        self._remembered.pop(ticket_id, None)
        await self._tickets.remove(ticket_id)

    def _remember(self, ticket: Ticket) -> None:
        self._remembered[ticket.id] = ticket
        if len(self._remembered) > self._at_most:
            self._remembered.popitem(last=False)
