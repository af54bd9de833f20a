"""Tickets in Postgres."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from core.domain.feed import FeedOrder
from core.domain.job import FeedRequest, Ticket
from core.infrastructure.postgres_pool import Pool, borrowed, transaction

KEPT_AFTER_EXPIRY = timedelta(days=1)
PURGED_AT_ONCE = 10
SWEPT_AT_ONCE = 1000
# Any number that nobody else in the database locks.
SWEEP_LOCK = 0x7468726561647301

_ADD = """
    with purged as (
        delete from ticket where id in (
            select id from ticket where expires_at < $9 order by expires_at limit $10 for update skip locked
        )
    )
    insert into ticket (id, user_id, request, epoch, generation, created_at, expires_at, failure)
    values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do nothing
"""
_REMOVE_EXPIRED = """
    with removed as (
        delete from ticket where id in (
            select id from ticket where expires_at < $1 order by expires_at limit $2 for update skip locked
        ) returning id
    )
    select count(*) from removed
"""
_GET = "select id, request, epoch, generation, created_at, expires_at, failure from ticket where id = $1"
_FAIL = "update ticket set failure = $2 where user_id = $1 and failure is null and expires_at > now()"
# Postgres reads no JSON with an id in it that holds NUL. Within an id the quotes would be escaped.
_MIN_SEQ = """substring(convert_from(ticket.request, 'UTF8') from '"min_seq":([0-9]+)')::bigint"""
_OVERDUE = f"""
    select ticket.user_id from ticket
    left join feed on feed.user_id = ticket.user_id left join user_change on user_change.user_id = ticket.user_id
    where ticket.failure is null and ticket.expires_at > now() and ticket.created_at < $1
        and (
            feed.user_id is null or (feed.epoch, feed.generation) <= (ticket.epoch, ticket.generation)
            or (feed.built_sequence < user_change.sequence and feed.built_sequence < {_MIN_SEQ})
        )
        and exists (select from user_interaction where user_id = ticket.user_id)
    group by ticket.user_id order by min(ticket.created_at) limit $2
"""  # noqa: S608 - names of this code alone


class PostgresTicketStore:
    """Each new ticket sweeps a few old ones away, so that the table follows the traffic."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, ticket: Ticket) -> None:
        """Keep the ticket; a second time changes nothing."""
        purged_before = ticket.created_at - KEPT_AFTER_EXPIRY
        async with borrowed(self._pool) as connection:
            await connection.execute(_ADD, *_columns_of(ticket), purged_before, PURGED_AT_ONCE)

    async def get(self, ticket_id: UUID) -> Ticket | None:
        """The ticket, expired or not."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_GET, ticket_id)
        return None if row is None else _ticket_of(row)

    async def remove(self, ticket_id: UUID) -> None:
        """Forget the ticket."""
        async with borrowed(self._pool) as connection:
            await connection.execute("delete from ticket where id = $1", ticket_id)

    async def fail_all_of(self, user_id: UUID, failure: str) -> None:
        """Write the failure on the user's open tickets."""
        async with borrowed(self._pool) as connection:
            await connection.execute(_FAIL, user_id, failure.replace("\0", "�"))  # which Postgres keeps out of text

    async def count_expired(self, before: datetime) -> int:
        """How many expired before the moment."""
        async with borrowed(self._pool) as connection:
            return int(await connection.fetchval("select count(*) from ticket where expires_at < $1", before))

    async def remove_expired(self, before: datetime, at_most: int) -> int:
        """One statement, which waits for nobody."""
        async with borrowed(self._pool) as connection:
            return int(await connection.fetchval(_REMOVE_EXPIRED, before, at_most))

    @asynccontextmanager
    async def overdue(self, created_before: datetime) -> AsyncIterator[Sequence[UUID]]:
        """Under an advisory lock that ends with the block's transaction, or with the connection."""
        async with transaction(self._pool) as connection:
            if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", SWEEP_LOCK):
                yield []
                return
            rows = await connection.fetch(_OVERDUE, created_before, SWEPT_AT_ONCE)
            yield [row["user_id"] for row in rows]


def _columns_of(ticket: Ticket) -> tuple[Any, ...]:
    return (
        ticket.id,
        ticket.request.user_id,
        # Bytes, not jsonb: an id as sent may hold what Postgres keeps out of text, NUL for one.
        msgspec.json.encode(ticket.request),
        ticket.newer_than.epoch,
        ticket.newer_than.generation,
        ticket.created_at,
        ticket.expires_at,
        ticket.failure,
    )


def _ticket_of(row: Any) -> Ticket:
    return Ticket(
        id=row["id"],
        request=msgspec.json.decode(row["request"], type=FeedRequest),
        newer_than=FeedOrder(row["epoch"], row["generation"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        failure=row["failure"],
    )
