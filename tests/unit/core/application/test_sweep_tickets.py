"""Jobs that the queue has lost."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from core.application.sweep_tickets import SweepTickets
from core.domain.feed import NO_FEED, FeedOrder
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest, Ticket
from tests.builders import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.ticket_store import FakeTicketStore

ANNA = to_uuid("anna")
TICKET = Ticket(UUID(int=1), FeedRequest("anna", 20), NO_FEED, NOON - timedelta(minutes=1), NOON + timedelta(hours=1))


async def swept(
    *tickets: Ticket,
    orders: dict[UUID, FeedOrder] | None = None,
    built: dict[UUID, int] | None = None,
    leased: bool = False,
) -> list[UUID]:
    """For whom a job was enqueued; everybody but the stranger has a history, of nine changes."""
    clock, queue, known = FakeClock(NOON), FakeJobQueue(), {ANNA, to_uuid("ben")}
    store = FakeTicketStore(
        clock=clock,
        orders=orders or {},
        with_history=known,
        sequences=dict.fromkeys(known, 9),
        built_sequences=built or {},
    )
    for ticket in tickets:
        await store.add(ticket)
    sweep = SweepTickets(store, queue, clock)
    if leased:
        await sweep()
        queue.messages.clear()
    await sweep()
    return [message.user_id for message in queue.messages]


async def test_a_lost_job_is_begun_anew() -> None:
    assert await swept(TICKET) == [ANNA]


async def test_a_job_that_is_under_way_is_left_alone() -> None:
    assert await swept(TICKET, leased=True) == []


async def test_a_ticket_that_has_its_feed_is_left_alone() -> None:
    assert await swept(TICKET, orders={ANNA: FeedOrder(1, 1)}) == []


async def test_a_ticket_whose_feed_does_not_know_yet_of_what_its_holder_has_written_is_not_done() -> None:
    asking = replace(TICKET, request=FeedRequest("anna", 20, min_seq=7))

    assert await swept(asking, orders={ANNA: FeedOrder(1, 1)}, built={ANNA: 6}) == [ANNA]
    assert await swept(asking, orders={ANNA: FeedOrder(1, 1)}, built={ANNA: 7}) == []


async def test_young_failed_expired_tickets_and_those_of_strangers_are_left_alone() -> None:
    young = replace(TICKET, id=UUID(int=2), created_at=NOON - timedelta(seconds=14))
    failed = replace(TICKET, id=UUID(int=3), failure="it broke")
    expired = replace(TICKET, id=UUID(int=4), expires_at=NOON)
    stranger = replace(TICKET, id=UUID(int=5), request=FeedRequest("stranger", 20))

    assert await swept(young, failed, expired, stranger) == []


async def test_two_tickets_of_one_user_are_one_job() -> None:
    assert await swept(TICKET, replace(TICKET, id=UUID(int=2))) == [ANNA]


async def test_while_another_process_sweeps_nothing_is_done() -> None:
    clock, queue = FakeClock(NOON), FakeJobQueue()
    store = FakeTicketStore(clock=clock, with_history={ANNA})
    await store.add(TICKET)

    async with store.overdue(NOON):
        assert await SweepTickets(store, queue, clock)() == 0

    assert not queue.messages
