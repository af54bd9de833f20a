"""Tell the holder of a ticket how the job stands."""

from dataclasses import dataclass
from uuid import UUID

from core.application.find_feed import FindFeed, FoundFeed
from core.application.offer_popular import OfferPopular
from core.application.ports.clock import Clock
from core.application.ports.interaction_history import InteractionHistory
from core.application.ports.job_queue import JobQueue
from core.application.ports.ticket_store import TicketStore
from core.domain.errors import ArchiveUnavailable, NotFound, QueueUnavailable
from core.domain.feed import FeedSource
from core.domain.job import GenerateMessage, JobState, Ticket
from core.domain.page import FeedPage, page_of


@dataclass(frozen=True, slots=True)
class JobReport:
    """Where a job stands; the page is there when it succeeded, the failure when it failed."""

    ticket: Ticket
    state: JobState
    page: FeedPage | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class GetJob:
    """The state is read from what exists, a newer feed or a lease, so no update of it can be lost."""

    find_feed: FindFeed
    offer_popular: OfferPopular
    history: InteractionHistory
    queue: JobQueue
    tickets: TicketStore
    clock: Clock

    async def __call__(self, ticket_id: UUID, request_id: str) -> JobReport:
        """Raises NotFound for a ticket that never was, or is long expired, and ArchiveUnavailable."""
        ticket = await self.tickets.get(ticket_id)
        if ticket is None:
            raise NotFound(f"there is no job {ticket_id}: tickets are kept for a while after they expire, not longer")
        if self.clock.now() >= ticket.expires_at:
            return JobReport(ticket, JobState.EXPIRED)
        found = await self._found(ticket)
        if found is not None and found.feed.order > ticket.newer_than and not found.feed.is_provisional:
            source = FeedSource.GENERATED if found.is_fresh else FeedSource.STALE
            return JobReport(ticket, JobState.SUCCEEDED, page_of(found.feed, ticket.request, source))
        if ticket.failure is not None:
            return JobReport(ticket, JobState.FAILED, failure=ticket.failure)
        return await self._pending(ticket, request_id)

    async def _found(self, ticket: Ticket) -> FoundFeed | None:
        try:
            return await self.find_feed(ticket.request.user_id)
        except ArchiveUnavailable:
            return None

    async def _pending(self, ticket: Ticket, request_id: str) -> JobReport:
        try:
            state = await self.queue.state(ticket.request.user_id)
            if state is None:
                return await self._without_lease(ticket, request_id)
        except QueueUnavailable:
            state = JobState.QUEUED
        return JobReport(ticket, state)

    async def _without_lease(self, ticket: Ticket, request_id: str) -> JobReport:
        """The queue has been wiped, the lease has run out, or the history has gone since: begin again."""
        if await self.history.count_posts(ticket.request.user_id, at_most=1) == 0:
            return JobReport(ticket, JobState.SUCCEEDED, self.offer_popular.to_a_stranger(ticket.request))
        await self.queue.submit(GenerateMessage(ticket.request.user_id, request_id))
        return JobReport(ticket, JobState.QUEUED)
