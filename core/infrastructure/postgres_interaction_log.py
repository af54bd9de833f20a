"""Events, recorded in the app's table."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from core.application.ports.interaction_log import Recorded
from core.domain.event import Event, Refusal, external_ids, id_taken
from core.infrastructure.marked_changes import marking
from core.infrastructure.postgres_interaction_history import as_aware
from core.infrastructure.postgres_pool import Connection, Pool, borrowed, transaction

_HAS_METADATA = """
    select exists (
        select from pg_attribute
        where attrelid = 'user_interaction'::regclass and attname = 'metadata' and not attisdropped
    )
"""
# One statement, and so one transaction and one round trip.
_RECORD = f"""
    with event as materialized (
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[])
            as told(id, user_id, post_id, type, created_at, metadata)
    ),
    marked as ({marking("select distinct user_id from event")}),
    batch as (
        insert into accepted_batch (transaction, sequence, accepted_at, user_ids)
        select pg_current_xact_id(), max(sequence), now(), array_agg(user_id) from marked
    ),
    named as (
        insert into external_id (id, text)
        select * from unnest($7::uuid[], $8::text[]) as told(id, text) order by id
        on conflict do nothing
    ),
    added as (
        insert into user_interaction (id, user_id, post_id, interaction_type, created_at{{columns}})
        select id, user_id, post_id, type, created_at{{values}} from event order by id
        on conflict do nothing
        returning id
    )
    select array(select user_id from marked) as user_ids, array(select sequence from marked) as sequences,
        array(select id from added) as added
"""  # noqa: S608 - statements of this code alone
_METADATA = {"columns": ", metadata", "values": ", metadata::jsonb"}
_STORED = """
    select id, user_id, post_id, interaction_type::text as type, created_at from user_interaction
    where id = any($1::uuid[])
"""
_TRY = """
    insert into user_interaction (id, user_id, post_id, interaction_type, created_at{columns})
    select id, user_id, post_id, type, created_at{values}
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[])
        as told(id, user_id, post_id, type, created_at, metadata)
    on conflict do nothing
"""
# What a table of the app's may have against a row: a key to another table, a check, a trigger; or against metadata.
_REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.PLPGSQLError)


class _Undone(Exception):
    """No error: it ends a transaction that is to leave nothing behind."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = refusals


class PostgresInteractionLog:
    """Rows whose id is there already are looked at: the same interaction is a repetition, another one is refused."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._has_metadata: bool | None = None

    async def record(self, events: Sequence[Event], *, all_or_nothing: bool = False) -> Recorded:
        """As a rule one statement; where the table refuses rows, they are found and left out."""
        refusals = await self._refused_metadata(events)
        try:
            return await self._recorded(events, refusals, all_or_nothing=all_or_nothing)
        except _REFUSALS as error:
            rest = _without(events, refusals)
            # What none of them breaks by itself they break together.
            found = await self._refused_by_table(rest) or [_refused_by_a_rule(event, error) for event in rest]
            return await self._recorded(events, [*refusals, *found], all_or_nothing=all_or_nothing)

    async def _recorded(
        self, events: Sequence[Event], refusals: Sequence[Refusal], *, all_or_nothing: bool
    ) -> Recorded:
        rest = _without(events, refusals)
        if not rest or (refusals and all_or_nothing):
            return Recorded({}, 0, refusals)
        recorded = await (self._record_all(rest) if all_or_nothing else self._record(rest))
        return Recorded(recorded.sequences, recorded.added, [*refusals, *recorded.refusals])

    async def _record(self, events: Sequence[Event]) -> Recorded:
        try:
            async with borrowed(self._pool) as connection:
                return await self._recorded_by(connection, events)
        except asyncpg.DeadlockDetectedError:  # an import, say, that came from the other side: it is done now
            async with borrowed(self._pool) as connection:
                return await self._recorded_by(connection, events)

    async def _record_all(self, events: Sequence[Event]) -> Recorded:
        try:
            async with transaction(self._pool) as connection:
                recorded = await self._recorded_by(connection, events)
                if recorded.refusals:
                    raise _Undone(recorded.refusals)
                return recorded
        except _Undone as undone:
            return Recorded({}, 0, undone.refusals)

    async def _recorded_by(self, connection: Connection, events: Sequence[Event]) -> Recorded:
        texts = external_ids(events)
        arguments = (*_columns(events), list(texts), list(texts.values()))
        row = await connection.fetchrow(self._statement(_RECORD), *arguments)
        there = {event.id for event in events} - set(row["added"])
        refusals = await _contradictions(connection, [event for event in events if event.id in there])
        return Recorded(dict(zip(row["user_ids"], row["sequences"], strict=True)), len(row["added"]), refusals)

    async def _refused_metadata(self, events: Sequence[Event]) -> list[Refusal]:
        """A table of the app's may have left that column out."""
        if self._has_metadata is None:
            async with borrowed(self._pool) as connection:
                self._has_metadata = await connection.fetchval(_HAS_METADATA)
        if self._has_metadata:
            return []
        reason = "is not kept: the table user_interaction has no such column"
        return [Refusal(event.place, "metadata", reason) for event in events if event.metadata is not None]

    async def _refused_by_table(self, events: Sequence[Event]) -> Sequence[Refusal]:
        """The rows that the table refuses, found by halves in a transaction that leaves nothing behind."""
        try:
            async with transaction(self._pool) as connection:
                await connection.execute("set constraints all immediate")
                raise _Undone(await self._tried(connection, events))
        except _Undone as undone:
            return undone.refusals

    async def _tried(self, connection: Connection, events: Sequence[Event]) -> list[Refusal]:
        try:
            async with connection.transaction():
                await connection.execute(self._statement(_TRY), *_columns(events))
        except _REFUSALS as error:
            if len(events) == 1:
                return [_refused_by_a_rule(events[0], error)]
            middle = len(events) // 2
            return [*await self._tried(connection, events[:middle]), *await self._tried(connection, events[middle:])]
        return []

    def _statement(self, template: str) -> str:
        return template.format(**(_METADATA if self._has_metadata else dict.fromkeys(_METADATA, "")))


async def _contradictions(connection: Connection, events: Sequence[Event]) -> list[Refusal]:
    """Those under whose id another interaction is stored. One that is not stored at all broke a key of the app's own,
    one like a user and post, say: as in an import it counts as a repetition.
    """
    if not events:
        return []
    stored = {row["id"]: row for row in await connection.fetch(_STORED, [event.id for event in events])}
    return [id_taken(event.place) for event in events if event.id in stored and not _is_same(event, stored[event.id])]


def _is_same(event: Event, row: Any) -> bool:
    return event.is_same(row["user_id"], row["post_id"], row["type"], as_aware(row["created_at"]))


def _columns(events: Sequence[Event]) -> tuple[list[Any], ...]:
    return (
        [event.id for event in events],
        [event.user_id for event in events],
        [event.post_id for event in events],
        [event.type.value for event in events],
        [event.created_at for event in events],
        [event.metadata for event in events],
    )


def _without(events: Sequence[Event], refusals: Sequence[Refusal]) -> list[Event]:
    places = {refusal.place for refusal in refusals}
    return [event for event in events if event.place not in places]


def _refused_by_a_rule(event: Event, error: asyncpg.PostgresError) -> Refusal:
    if isinstance(error, asyncpg.DataError):
        return Refusal(event.place, "", f"cannot be stored: {' '.join(str(error).split())}")
    name = getattr(error, "constraint_name", None)
    return Refusal(event.place, "", f"is refused by a rule of the table user_interaction{f': {name}' if name else ''}")
