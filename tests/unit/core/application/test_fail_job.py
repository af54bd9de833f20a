"""What those who took tickets learn of a job that is given up."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from core.application.fail_job import FailJob
from core.domain.errors import ArchiveUnavailable
from core.domain.feed import NO_FEED
from core.domain.job import FeedRequest, GenerateMessage, Ticket
from tests.fakes.clock import FakeClock
from tests.fakes.feed_signals import FakeFeedSignals
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.ticket_store import FakeTicketStore

CLOCK = FakeClock()
USER, OTHER = uuid4(), uuid4()


def ticket_of(user_id: UUID) -> Ticket:
    now = CLOCK.now()
    return Ticket(uuid4(), FeedRequest(str(user_id), 10), NO_FEED, now, now + timedelta(hours=1))


async def test_the_users_tickets_say_why_and_nobody_elses_do() -> None:
    tickets = FakeTicketStore(clock=CLOCK)
    own, foreign = ticket_of(USER), ticket_of(OTHER)
    await tickets.add(own)
    await tickets.add(foreign)

    await FailJob(tickets, FakeJobQueue(), FakeFeedSignals())(USER, "it broke")

    assert tickets.tickets[own.id].failure == "it broke"
    assert tickets.tickets[foreign.id].failure is None


async def test_the_next_request_begins_anew() -> None:
    queue = FakeJobQueue()
    await queue.submit(GenerateMessage(USER, "first"))

    await FailJob(FakeTicketStore(), queue, FakeFeedSignals())(USER, "it broke")

    assert (await queue.submit(GenerateMessage(USER, "second"))).enqueued


async def test_the_next_request_begins_anew_even_if_no_ticket_could_be_written() -> None:
    queue = FakeJobQueue()
    await queue.submit(GenerateMessage(USER, "first"))

    with pytest.raises(ArchiveUnavailable):
        await FailJob(FakeTicketStore(unavailable=True), queue, FakeFeedSignals())(USER, "it broke")

    assert await queue.progress(USER) is None


async def test_the_tickets_are_written_while_the_queue_is_away() -> None:
    tickets = FakeTicketStore(clock=CLOCK)
    ticket = ticket_of(USER)
    await tickets.add(ticket)

    await FailJob(tickets, FakeJobQueue(unavailable=True), FakeFeedSignals())(USER, "it broke")

    assert tickets.tickets[ticket.id].failure == "it broke"
