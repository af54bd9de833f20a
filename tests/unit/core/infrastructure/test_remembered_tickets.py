"""Tickets while Postgres is away."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from core.domain.errors import ArchiveUnavailable
from core.domain.feed import NO_FEED
from core.domain.job import FeedRequest, Ticket
from core.infrastructure.remembered_tickets import RememberedTickets
from tests.builders import NOON
from tests.fakes.ticket_store import FakeTicketStore

TICKET = Ticket(UUID(int=1), FeedRequest("anna", 20), NO_FEED, NOON, NOON + timedelta(hours=1))


async def test_what_was_given_out_or_asked_for_is_known_while_postgres_is_away() -> None:
    asked_for = replace(TICKET, id=UUID(int=2))
    store = FakeTicketStore(tickets={asked_for.id: asked_for})
    tickets = RememberedTickets(store)
    await tickets.add(TICKET)
    await tickets.get(asked_for.id)

    store.unavailable = True

    assert [await tickets.get(one.id) for one in (TICKET, asked_for)] == [TICKET, asked_for]
    with pytest.raises(ArchiveUnavailable):
        await tickets.get(UUID(int=3))


async def test_while_postgres_answers_it_is_what_postgres_says() -> None:
    store = FakeTicketStore()
    tickets = RememberedTickets(store)
    await tickets.add(TICKET)

    await store.fail_all_of(TICKET.request.user_id, "it broke")
    failed = await tickets.get(TICKET.id)
    store.unavailable = True
    remembered = await tickets.get(TICKET.id)
    store.unavailable = False
    store.tickets.clear()

    assert failed == remembered == replace(TICKET, failure="it broke")
    assert await tickets.get(TICKET.id) is None
    store.unavailable = True
    with pytest.raises(ArchiveUnavailable):
        await tickets.get(TICKET.id)


async def test_what_could_not_be_kept_or_was_taken_back_is_not_known() -> None:
    store = FakeTicketStore()
    tickets = RememberedTickets(store)
    await tickets.add(TICKET)
    await tickets.remove(TICKET.id)
    store.unavailable = True

    with pytest.raises(ArchiveUnavailable):
        await tickets.add(replace(TICKET, id=UUID(int=2)))

    for number in (1, 2):
        with pytest.raises(ArchiveUnavailable):
            await tickets.get(UUID(int=number))


async def test_no_more_are_remembered_than_there_may_be_those_asked_for_last() -> None:
    store = FakeTicketStore()
    tickets = RememberedTickets(store, at_most=2)
    for number in (1, 2):
        await tickets.add(replace(TICKET, id=UUID(int=number)))
    await tickets.get(UUID(int=1))

    await tickets.add(replace(TICKET, id=UUID(int=3)))

    store.unavailable = True
    assert await tickets.get(UUID(int=1)) is not None
    assert await tickets.get(UUID(int=3)) is not None
    with pytest.raises(ArchiveUnavailable):
        await tickets.get(UUID(int=2))
