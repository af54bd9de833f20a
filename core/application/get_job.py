"""Tell the holder of a ticket how the job stands, if he likes as soon as it is over."""

from dataclasses import dataclass
from uuid import UUID

from core.application.cut_page import CutPage
from core.application.find_feed import FindFeed, FoundFeed
from core.application.job_report import JobReport
from core.application.offer_popular import OfferPopular
from core.application.ports.clock import Clock
from core.application.ports.feed_signals import FeedSignals
from core.application.ports.interaction_history import InteractionHistory
from core.application.ports.job_queue import JobQueue
from core.application.ports.ticket_store import Tickets
from core.application.reach_sequence import ReachSequence
from core.application.waiting_room import WaitingRoom
from core.domain.backlog import Backlog
from core.domain.errors import ArchiveUnavailable, NotFound, QueueUnavailable, SequenceUnknown
from core.domain.feed import FeedSource
from core.domain.job import JobState, Ticket, message_of


@dataclass(frozen=True, slots=True)
class GetJob:
    """The state is read from what exists, a newer feed or a lease, so no update of it can be lost."""

    find_feed: FindFeed
    reach_sequence: ReachSequence
    offer_popular: OfferPopular
    cut_page: CutPage
    history: InteractionHistory
    queue: JobQueue
    signals: FeedSignals
    tickets: Tickets
    waiting_room: WaitingRoom
    clock: Clock

    async def __call__(self, ticket_id: UUID, request_id: str, wait_seconds: float = 0.0) -> JobReport:
        """How it stands, at the latest when the time is over.

        Raises NotFound for a ticket that never was, or is long expired, and ArchiveUnavailable.
        """
        report = await self._report(ticket_id, request_id)
        if not report.is_pending or wait_seconds <= 0:
            return report
        async with self.signals.listen(report.ticket.request.user_id) as listening:
            report = await self._report(ticket_id, request_id)
            if not report.is_pending:
                return report
            return await self.waiting_room.awaited(
                listening, wait_seconds, lambda: self._report(ticket_id, request_id), _is_over
            )

    async def _report(self, ticket_id: UUID, request_id: str) -> JobReport:
        ticket = await self.tickets.get(ticket_id)
        if ticket is None:
            raise NotFound(f"there is no job {ticket_id}: tickets are kept for a while after they expire, not longer")
        if self.clock.now() >= ticket.expires_at:
            return JobReport(ticket, JobState.EXPIRED)
        try:
            found = await self._found(ticket)
        except SequenceUnknown as error:
            return JobReport(ticket, JobState.FAILED, failure=str(error))
        if found is not None and _honours(found, ticket):
            source = FeedSource.GENERATED if found.is_fresh else FeedSource.STALE
            page = self.cut_page(found.feed, ticket.request, source, found.change)
            return JobReport(ticket, JobState.SUCCEEDED, page)
        if ticket.failure is not None:
            return JobReport(ticket, JobState.FAILED, failure=ticket.failure)
        return await self._pending(ticket, request_id)

    async def _found(self, ticket: Ticket) -> FoundFeed | None:
        try:
            return await self.reach_sequence(await self.find_feed(ticket.request.user_id), ticket.request)
        except ArchiveUnavailable:
            return None

    async def _pending(self, ticket: Ticket, request_id: str) -> JobReport:
        try:
            progress = await self.queue.progress(ticket.request.user_id)
            if progress is None:
                return await self._without_lease(ticket, request_id)
        except QueueUnavailable:
            return JobReport(ticket, JobState.QUEUED)
        if progress.state is JobState.RUNNING:
            return JobReport(ticket, JobState.RUNNING)
        return _queued(ticket, progress.backlog)

    async def _without_lease(self, ticket: Ticket, request_id: str) -> JobReport:
        """The queue has been wiped, the lease has run out, or the history has gone since: begin again."""
        request = ticket.request
        if not request.recent_post_ids and await self.history.count_posts(request.user_id, at_most=1) == 0:
            return JobReport(ticket, JobState.SUCCEEDED, self.offer_popular.to_a_stranger(ticket.request))
        submission = await self.queue.submit(message_of(request, request_id))
        return _queued(ticket, submission.backlog)


def _honours(found: FoundFeed, ticket: Ticket) -> bool:
    return found.feed.order > ticket.newer_than and not found.feed.is_provisional and not found.is_behind


def _queued(ticket: Ticket, backlog: Backlog) -> JobReport:
    return JobReport(ticket, JobState.QUEUED, retry_after_seconds=backlog.retry_after_seconds)


def _is_over(report: JobReport) -> bool:
    return not report.is_pending
