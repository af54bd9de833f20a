"""Tickets, fake and real."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.application.ports.ticket_store import TicketStore
from core.domain.feed import FeedOrder
from core.domain.job import FeedRequest, PagePosition, Ticket
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.postgres_ticket_store import PURGED_AT_ONCE, PostgresTicketStore
from core.infrastructure.system_clock import SystemClock
from tests.fakes.ticket_store import FakeTicketStore

NOW = datetime.now(UTC)
REQUEST = FeedRequest(
    'an id with NUL \0, a quote " and a 🦔', 20, ("post-id-1", "\0"), PagePosition(FeedOrder(1, 2), 40)
)
TICKET = Ticket(UUID(int=1), REQUEST, FeedOrder(3, 4), created_at=NOW, expires_at=NOW + timedelta(hours=1))


@pytest.fixture
async def tickets(url: str | None) -> AsyncIterator[TicketStore]:
    if url is None:
        yield FakeTicketStore(clock=SystemClock())
        return
    async with open_pool(url) as pool:
        yield PostgresTicketStore(pool)


@pytest.mark.parametrize("ticket", [TICKET, replace(TICKET, request=FeedRequest("u", 1), failure="it broke")])
async def test_a_ticket_comes_back_as_it_was(tickets: TicketStore, ticket: Ticket) -> None:
    await tickets.add(ticket)

    assert await tickets.get(ticket.id) == ticket


async def test_an_expired_ticket_is_still_there(tickets: TicketStore) -> None:
    expired = replace(TICKET, expires_at=NOW - timedelta(minutes=1))

    await tickets.add(expired)

    assert await tickets.get(expired.id) == expired


async def test_adding_a_ticket_twice_changes_nothing(tickets: TicketStore) -> None:
    await tickets.add(TICKET)
    await tickets.add(TICKET)

    assert await tickets.get(TICKET.id) == TICKET


async def test_a_removed_ticket_is_gone(tickets: TicketStore) -> None:
    await tickets.add(TICKET)

    await tickets.remove(TICKET.id)
    await tickets.remove(UUID(int=99))

    assert await tickets.get(TICKET.id) is None


async def test_a_failure_is_written_on_the_user_s_open_tickets_only(tickets: TicketStore) -> None:
    of_another = replace(TICKET, id=UUID(int=2), request=FeedRequest("another", 20))
    expired = replace(TICKET, id=UUID(int=3), expires_at=NOW - timedelta(minutes=1))
    failed_before = replace(TICKET, id=UUID(int=4), failure="an earlier failure")
    for ticket in (TICKET, of_another, expired, failed_before):
        await tickets.add(ticket)

    await tickets.fail_all_of(TICKET.request.user_id, "no model")

    found = [await tickets.get(UUID(int=number)) for number in (1, 2, 3, 4)]
    assert [ticket and ticket.failure for ticket in found] == ["no model", None, None, "an earlier failure"]


async def test_a_failure_may_hold_what_postgres_does_not_store(tickets: TicketStore) -> None:
    await tickets.add(TICKET)

    await tickets.fail_all_of(TICKET.request.user_id, "bad byte \0")

    found = await tickets.get(TICKET.id)
    assert found is not None
    assert found.failure is not None
    assert found.failure.startswith("bad byte")


async def test_new_tickets_sweep_long_expired_ones_away(migrated_database_url: str) -> None:
    old = [
        replace(TICKET, id=UUID(int=100 + number), expires_at=NOW - timedelta(days=2))
        for number in range(PURGED_AT_ONCE + 1)
    ]
    async with open_pool(migrated_database_url) as pool:
        tickets = PostgresTicketStore(pool)
        for ticket in old:
            await tickets.add(replace(ticket, created_at=NOW - timedelta(days=3)))

        await tickets.add(TICKET)
        assert await pool.fetchval("select count(*) from ticket") == 2
        await tickets.add(replace(TICKET, id=UUID(int=2)))

        assert await pool.fetchval("select count(*) from ticket") == 2
        assert await tickets.get(TICKET.id) == TICKET
