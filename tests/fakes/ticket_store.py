"""Tickets in a dict."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from core.application.ports.clock import Clock
from core.domain.errors import ArchiveUnavailable
from core.domain.job import Ticket
from tests.fakes.clock import FakeClock


@dataclass
class FakeTicketStore:
    """Purges nothing."""

    tickets: dict[UUID, Ticket] = field(default_factory=dict)
    clock: Clock = field(default_factory=FakeClock)
    unavailable: bool = False

    async def add(self, ticket: Ticket) -> None:
        self._answer()
        self.tickets.setdefault(ticket.id, ticket)

    async def get(self, ticket_id: UUID) -> Ticket | None:
        self._answer()
        return self.tickets.get(ticket_id)

    async def remove(self, ticket_id: UUID) -> None:
        self._answer()
        self.tickets.pop(ticket_id, None)

    async def fail_all_of(self, user_id: UUID, failure: str) -> None:
        self._answer()
        for ticket in list(self.tickets.values()):
            is_open = ticket.failure is None and self.clock.now() < ticket.expires_at
            if is_open and ticket.request.user_id == user_id:
                self.tickets[ticket.id] = replace(ticket, failure=failure)

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
