"""Tickets in a dict."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from core.application.ports.clock import Clock
from core.domain.errors import ArchiveUnavailable
from core.domain.feed import NO_FEED, FeedOrder
from core.domain.job import Ticket
from tests.fakes.clock import FakeClock


@dataclass
class FakeTicketStore:
    """Purges nothing; `orders` to `built_sequences` are what Postgres knows of users' feeds and interactions."""

    tickets: dict[UUID, Ticket] = field(default_factory=dict)
    clock: Clock = field(default_factory=FakeClock)
    unavailable: bool = False
    orders: dict[UUID, FeedOrder] = field(default_factory=dict)
    with_history: set[UUID] = field(default_factory=set)
    sequences: dict[UUID, int] = field(default_factory=dict)
    built_sequences: dict[UUID, int] = field(default_factory=dict)
    is_being_swept: bool = False

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

    async def count_expired(self, before: datetime) -> int:
        self._answer()
        return sum(ticket.expires_at < before for ticket in self.tickets.values())

    async def remove_expired(self, before: datetime, at_most: int) -> int:
        self._answer()
        expired = sorted(
            (ticket for ticket in self.tickets.values() if ticket.expires_at < before),
            key=lambda ticket: ticket.expires_at,
        )[:at_most]
        for ticket in expired:
            del self.tickets[ticket.id]
        return len(expired)

    @asynccontextmanager
    async def overdue(self, created_before: datetime) -> AsyncIterator[Sequence[UUID]]:
        self._answer()
        if self.is_being_swept:
            yield []
            return
        self.is_being_swept = True
        open_ones = [
            ticket
            for ticket in self.tickets.values()
            if ticket.failure is None and ticket.created_at < created_before and self.clock.now() < ticket.expires_at
        ]
        late = [ticket for ticket in open_ones if self._is_late(ticket)]
        users = [ticket.request.user_id for ticket in sorted(late, key=lambda ticket: ticket.created_at)]
        try:
            yield [user_id for user_id in dict.fromkeys(users) if user_id in self.with_history]
        finally:
            self.is_being_swept = False

    def _is_late(self, ticket: Ticket) -> bool:
        user_id = ticket.request.user_id
        built = self.built_sequences.get(user_id, 0)
        is_behind = built < min(ticket.request.min_seq, self.sequences.get(user_id, 0))
        return is_behind or self.orders.get(user_id, NO_FEED) <= ticket.newer_than

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
