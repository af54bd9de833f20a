"""Answer which posts come next: the stored feed, else one generated within the patience, else the next best."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from core.application.cut_page import CutPage
from core.application.find_feed import CacheLook, FindFeed, FoundFeed
from core.application.job_report import JobReport
from core.application.offer_popular import OfferPopular
from core.application.ports.clock import Clock
from core.application.ports.feed_cache import FeedCache
from core.application.ports.feed_signals import FeedSignals
from core.application.ports.interaction_history import InteractionHistory
from core.application.ports.job_queue import JobQueue
from core.application.ports.renewal_requests import RenewalRequests
from core.application.ports.ticket_store import Tickets
from core.application.ports.visits import Visits
from core.application.reach_sequence import ReachSequence
from core.application.waiting_room import WaitingRoom
from core.domain.backlog import Backlog
from core.domain.errors import ArchiveUnavailable, CacheUnavailable, Overloaded, QueueUnavailable
from core.domain.feed import NO_FEED, FeedOrder, FeedSource
from core.domain.job import FeedRequest, GenerateMessage, JobState, Patience, Submission, Ticket, message_of
from core.domain.page import FeedPage

# A worker that finds Postgres away has made a provisional feed by then, or will not make any.
PROVISIONAL_WITHIN_SECONDS = 0.5
NEVER = timedelta(0)


class _Look(NamedTuple):
    """What one who waits has found; is_over: nothing better comes of the job that was waited for."""

    found: FoundFeed | None
    is_over: bool


@dataclass(frozen=True, slots=True)
class RecommendPosts:
    """Sync or poll: a page in time, or a ticket to come back with."""

    find_feed: FindFeed
    reach_sequence: ReachSequence
    offer_popular: OfferPopular
    cut_page: CutPage
    renewals: RenewalRequests
    visits: Visits
    cache: FeedCache
    history: InteractionHistory
    queue: JobQueue
    signals: FeedSignals
    tickets: Tickets
    waiting_room: WaitingRoom
    clock: Clock
    ticket_ttl: timedelta
    renew_after: timedelta

    async def __call__(self, request: FeedRequest, patience: Patience, request_id: str) -> FeedPage | JobReport:
        """A first page there is, whatever is away.

        Raises CursorExpired for a page of a feed that is gone, SequenceUnknown for a number that was never given, and
        Overloaded where neither a feed nor room for one is.
        """
        look = await self._look_into_cache(request)
        at_once = self._at_once(request, look)
        if at_once is not None:
            return at_once
        found = None
        try:
            found = await self.find_feed.beyond_cache(request.user_id, look.found)
            if request.after is not None:
                return await self._continued(request, found)
            return await self._first_page(request, patience, request_id, found)
        except ArchiveUnavailable as unavailable:
            if found is None and request.after is None:
                found = await self._provisional(request, patience, request_id)
            if found is not None:
                return self._page_that_may_be_behind(found, request)
            return self.offer_popular.instead(request, unavailable, await self.find_feed.seen_by(request.user_id))

    async def from_cache(self, request: FeedRequest) -> FeedPage | None:
        """What the cache alone can answer, which is nearly always enough; None where the whole of it is to be asked."""
        return self._at_once(request, await self._look_into_cache(request))

    async def _look_into_cache(self, request: FeedRequest) -> CacheLook:
        if not request.recent_post_ids:
            self.visits.note(request.user_id)
        return await self.find_feed.look(request.user_id)

    def _at_once(self, request: FeedRequest, look: CacheLook) -> FeedPage | None:
        found, after = look.found, request.after
        if found is None:
            is_first = after is None and request.min_seq == 0 and not request.recent_post_ids
            return self.offer_popular.to_a_stranger(request) if look.is_cold and is_first else None
        if not found.is_fresh:
            return None
        if after is not None:
            return self._page(found, request) if found.feed.order == after.order else None
        return self._fresh(found, request) if found.feed.built_sequence >= request.min_seq else None

    def _fresh(self, found: FoundFeed, request: FeedRequest) -> FeedPage:
        is_behind = found.change is not None or self._has_aged(found)
        if is_behind and not request.recent_post_ids:  # whose feed is made of the posts, which no renewal knows
            self.renewals.note(request.user_id)
        return self._page(found, request)

    async def _first_page(
        self, request: FeedRequest, patience: Patience, request_id: str, found: FoundFeed | None
    ) -> FeedPage | JobReport:
        if request.min_seq:
            found = await self.reach_sequence(found, request)
        if found is not None and found.is_fresh:
            return self._fresh(found, request)
        if found is None and await self._is_stranger(request):
            return self.offer_popular.to_a_stranger(request)
        return await self._generated(request, patience, request_id, found)

    def _has_aged(self, found: FoundFeed) -> bool:
        """Others have found posts since that a list made now would have."""
        return self.renew_after > NEVER and self.clock.now() - found.feed.generated_at >= self.renew_after

    async def _continued(self, request: FeedRequest, found: FoundFeed | None) -> FeedPage:
        if found is not None and request.after is not None and found.feed.order == request.after.order:
            return self._page(found, request)
        return await self._popular(request)

    def _page(self, found: FoundFeed, request: FeedRequest, source: FeedSource | None = None) -> FeedPage:
        return self.cut_page(found.feed, request, source or found.source, found.change)

    def _page_that_may_be_behind(self, found: FoundFeed, request: FeedRequest) -> FeedPage:
        """What the user did last nobody can tell now: who asks for it is told that the page may lack it."""
        is_behind = request.after is None and request.min_seq > found.feed.built_sequence
        return self._page(found, request, FeedSource.STALE if is_behind else None)

    async def _popular(self, request: FeedRequest) -> FeedPage:
        return self.offer_popular(request, await self.find_feed.seen_by(request.user_id))

    async def _is_stranger(self, request: FeedRequest) -> bool:
        if request.recent_post_ids or await self.history.count_posts(request.user_id, at_most=1) > 0:
            return False
        await self._remember_stranger(request.user_id)
        return True

    async def _remember_stranger(self, user_id: UUID) -> None:
        try:
            await self.cache.mark_cold(user_id)
        except CacheUnavailable:
            return

    async def _generated(
        self, request: FeedRequest, patience: Patience, request_id: str, found: FoundFeed | None
    ) -> FeedPage | JobReport:
        is_over = False
        async with self.signals.listen(request.user_id) as listening:
            shown = await self._shown(request)
            if shown is not None and shown.is_fresh:
                return self._page(shown, request)
            known = max((look.feed.order for look in (found, shown) if look is not None), default=NO_FEED)
            submission = await self._submit(message_of(request, request_id), known)
            if submission is not None and submission.is_refused:
                return await self._refused(request, patience, found, submission.backlog)
            is_worth_waiting = found is None or not found.is_all_there_is
            if submission is not None and submission.workers_alive and is_worth_waiting and not patience.respond_async:
                look = await self.waiting_room.awaited(
                    listening,
                    patience.wait_seconds,
                    lambda: self._look(request, request_id, known),
                    _ends_the_waiting,
                )
                found, is_over = look
        if found is not None and found.is_fresh:
            return self._page(found, request, FeedSource.GENERATED)
        if is_over and (found is None or not found.is_behind):
            # A ticket would begin the job again that has just been given up.
            return await self._popular(request) if found is None else self._page(found, request)
        return await self._out_of_patience(request, patience, found, submission)

    async def _look(self, request: FeedRequest, request_id: str, known: FeedOrder) -> _Look:
        found = await self._found(request)
        if found is not None and found.is_fresh:
            return _Look(found, is_over=True)
        if await self._is_under_way(request.user_id):
            return _Look(found, is_over=False)
        # A feed is shown before its job ends: it may have been between the two looks.
        found = await self._found(request)
        if found is None or not found.is_behind or found.feed.order <= known:
            return _Look(found, is_over=True)
        # The job that was joined had read before the caller wrote.
        await self._submit(message_of(request, request_id), found.feed.order)
        return _Look(found, is_over=False)

    async def _found(self, request: FeedRequest) -> FoundFeed | None:
        return await self.reach_sequence(await self.find_feed(request.user_id), request)

    async def _shown(self, request: FeedRequest) -> FoundFeed | None:
        shown = await self.find_feed.in_cache(request.user_id)
        return None if shown is None else await self.reach_sequence(shown, request)

    async def _is_under_way(self, user_id: UUID) -> bool:
        """Taken for granted while nobody can tell."""
        try:
            return await self.queue.progress(user_id) is not None
        except QueueUnavailable:
            return True

    async def _provisional(self, request: FeedRequest, patience: Patience, request_id: str) -> FoundFeed | None:
        """What a worker makes of what its model knows, while the archive is away; only who asks first waits for it."""
        async with self.signals.listen(request.user_id) as listening:
            submission = await self._submit(message_of(request, request_id), known=None)
            if submission is not None and submission.enqueued and submission.workers_alive:
                with self.waiting_room.seat() as has_seat:
                    wait_seconds = min(patience.wait_seconds, PROVISIONAL_WITHIN_SECONDS) if has_seat else 0
                    await listening.heard(0 if patience.respond_async else wait_seconds)
        shown = await self.find_feed.in_cache(request.user_id)
        if shown is not None and shown.feed.is_provisional:
            return shown._replace(source=FeedSource.GENERATED)
        return shown

    async def _refused(
        self, request: FeedRequest, patience: Patience, found: FoundFeed | None, backlog: Backlog
    ) -> FeedPage:
        if found is not None:
            return self._page(found, request)
        if patience.fallback:
            return await self._popular(request)
        raise Overloaded(
            "more feeds are waiting to be generated than there may be: come back, or take popular posts",
            backlog.retry_after_seconds,
        )

    async def _submit(self, message: GenerateMessage, known: FeedOrder | None) -> Submission | None:
        try:
            return await self.queue.submit(message, known)
        except QueueUnavailable:
            return None

    async def _out_of_patience(
        self, request: FeedRequest, patience: Patience, found: FoundFeed | None, submission: Submission | None
    ) -> FeedPage | JobReport:
        wants_another = patience.respond_async or (found is not None and found.is_behind)
        takes_ticket = submission is not None and wants_another and not patience.fallback
        if found is not None and (found.is_all_there_is or not takes_ticket):
            return self._page(found, request)
        if patience.fallback or submission is None:
            return await self._popular(request)
        return await self._ticket(request, found, submission.backlog)

    async def _ticket(self, request: FeedRequest, found: FoundFeed | None, backlog: Backlog) -> FeedPage | JobReport:
        now = self.clock.now()
        newer_than = found.feed.order if found is not None else NO_FEED
        ticket = Ticket(uuid4(), request, newer_than, created_at=now, expires_at=now + self.ticket_ttl)
        await self.tickets.add(ticket)
        # The job may have ended, in failure too, before the row was there: look once more.
        latest = await self._found(request)
        if latest is not None and latest.is_fresh:
            await self.tickets.remove(ticket.id)
            return self._page(latest, request, FeedSource.GENERATED)
        return JobReport(ticket, JobState.QUEUED, retry_after_seconds=backlog.retry_after_seconds)


def _ends_the_waiting(look: _Look) -> bool:
    return look.is_over
