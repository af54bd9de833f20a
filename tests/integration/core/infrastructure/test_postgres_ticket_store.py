"""Tickets, fake and real."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.application.ports.ticket_store import TicketStore
from core.domain.feed import FeedOrder
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest, PagePosition, Ticket
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.postgres_ticket_store import PURGED_AT_ONCE, PostgresTicketStore
from core.infrastructure.system_clock import SystemClock
from tests.builders import feed_of
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


@pytest.mark.parametrize(
    "ticket",
    [
        TICKET,
        replace(TICKET, request=FeedRequest("u", 1), failure="it broke"),
        replace(TICKET, request=FeedRequest("s", 1, min_seq=7, recent_post_ids=(UUID(int=1), UUID(int=2)))),
    ],
)
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


async def test_expired_tickets_are_counted_and_removed_so_many_at_a_time(tickets: TicketStore) -> None:
    for number in range(3):
        await tickets.add(replace(TICKET, id=UUID(int=10 + number), expires_at=NOW - timedelta(hours=3 - number)))
    await tickets.add(TICKET)

    counted = await tickets.count_expired(NOW)
    removed = [await tickets.remove_expired(NOW, at_most=2) for _ in range(3)]

    assert counted == 3
    assert removed == [2, 1, 0]
    assert await tickets.get(TICKET.id) == TICKET


async def test_overdue_are_users_with_a_history_whose_open_ticket_has_no_newer_feed(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url) as pool:
        tickets, archive = PostgresTicketStore(pool), PostgresFeedArchive(pool)
        for number, user in enumerate(("late", "later", "served", "stranger", "failed", "expired", "young")):
            ticket = replace(
                TICKET,
                id=UUID(int=number + 1),
                request=FeedRequest(user, 5),
                created_at=NOW - timedelta(seconds=1 if user == "young" else 60 - number),
                expires_at=NOW - timedelta(seconds=1) if user == "expired" else NOW + timedelta(hours=1),
                failure="it broke" if user == "failed" else None,
            )
            await tickets.add(ticket)
            if user != "stranger":
                await pool.execute(
                    "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $1, 'like')",
                    to_uuid(user),
                )
        await archive.put(replace(feed_of("later"), order=FeedOrder(3, 4)))
        await archive.put(replace(feed_of("served"), order=FeedOrder(3, 5)))

        async with tickets.overdue(NOW - timedelta(seconds=15)) as overdue:
            assert overdue == [to_uuid("late"), to_uuid("later")]
            async with tickets.overdue(NOW - timedelta(seconds=15)) as meanwhile:
                assert meanwhile == []
        async with tickets.overdue(NOW - timedelta(seconds=15)) as again:
            assert len(again) == 2


async def test_overdue_is_a_ticket_whose_newer_feed_lacks_what_its_holder_has_written(
    migrated_database_url: str,
) -> None:
    async with open_pool(migrated_database_url) as pool:
        tickets, archive = PostgresTicketStore(pool), PostgresFeedArchive(pool)
        # What the ticket asks for, what the feed knows of, and what the user has done.
        for number, (user, min_seq, built, latest) in enumerate(
            [("behind", 7, 6, 9), ("reached", 7, 7, 9), ("nothing since", 7, 6, 6), ("does not mind", 0, 6, 9)]
        ):
            request = FeedRequest(user, 5, ("an id with \0", '"min_seq":9'), min_seq=min_seq)
            await tickets.add(
                replace(TICKET, id=UUID(int=number + 1), request=request, created_at=NOW - timedelta(minutes=1))
            )
            await pool.execute(
                "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $1, 'like')",
                to_uuid(user),
            )
            await pool.execute("insert into user_change values ($1, $2, now(), true)", to_uuid(user), latest)
            await archive.put(replace(feed_of(user), order=FeedOrder(3, 5), built_sequence=built))

        async with tickets.overdue(NOW - timedelta(seconds=15)) as overdue:
            assert overdue == [to_uuid("behind")]
