"""Interactions brought into Postgres: staged by binary COPY, then merged, in one transaction."""

import struct
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg
import numpy as np

from core.domain.errors import InvalidInput
from core.infrastructure.interaction_rows import TYPES, UUID_BYTES, InteractionRows
from core.infrastructure.marked_changes import marking
from core.infrastructure.postgres_pool import Connection, Pool, transaction

LONGEST_STATEMENT_SECONDS = 86_400.0
"""The pool's limit is meant for requests; an import takes as long as it takes."""

_STAGING = """
    set local timezone = 'UTC';
    set local work_mem = '64MB';
    create temp table staged_interaction (
        id uuid, user_id uuid, post_id uuid, type smallint, created_at timestamp
    ) on commit drop;
    create temp table staged_external_id (id uuid, text text) on commit drop;
"""
_ONE_IMPORT_AT_A_TIME = "select pg_advisory_xact_lock(hashtext('threads-ml import'))"
_HAS_OTHER_KEYS = """
    select exists (
        select from pg_index join pg_attribute on attrelid = indrelid and attname = 'id'
        where indrelid = 'user_interaction'::regclass and indisunique and indkey::text <> attnum::text
    )
"""
# Sorted by id the rows are sorted by time: two indexes grow at their ends, whatever the file's order. With the
# anti-join this is a fifth faster than `on conflict do nothing`, which looks into the keys at every row (measured).
_MERGE = f"""
    insert into user_interaction (id, user_id, post_id, interaction_type, created_at)
    select distinct on (id) id, user_id, post_id, ('{{{",".join(TYPES)}}}'::text[])[type + 1], created_at
    from staged_interaction as staged
    where not exists (select from user_interaction as present where present.id = staged.id)
    order by id
"""  # noqa: S608 - the types are constants
_HAS_FEEDS = "select exists (select from feed)"
# Users whose feeds do not know of what is new.
_MERGE_AND_MARK = f"""
    with added as ({{merge}} returning user_id),
    marked as ({marking("select distinct user_id from added")})
    select count(*) from added
"""  # noqa: S608 - statements of this code alone
_MERGE_EXTERNAL_IDS = """
    insert into external_id select distinct on (id) id, text from staged_external_id order by id
    on conflict do nothing
"""

_COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_LENGTH, _UUID_LENGTH, _TYPE_LENGTH, _MOMENT_LENGTH = ">i4", 16, 2, 8
_STAGED = np.dtype(
    [
        ("fields", ">i2"),
        *(("id_length", _LENGTH), ("id", UUID_BYTES)),
        *(("user_length", _LENGTH), ("user", UUID_BYTES)),
        *(("post_length", _LENGTH), ("post", UUID_BYTES)),
        *(("type_length", _LENGTH), ("type", ">i2")),
        *(("moment_length", _LENGTH), ("moment", ">i8")),
    ]
)
_EXTERNAL_ID = struct.Struct(">hi16si")
_MICROSECONDS_1970_TO_2000 = 946_684_800_000_000


class PostgresInteractionStore:
    """Until the last row is staged, nothing touches the app's table."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add_all(self, batches: AsyncIterator[InteractionRows]) -> int:
        """Stage and merge; imports wait for each other to merge."""
        try:
            async with transaction(self._pool) as connection:
                await connection.execute(_STAGING)
                async for rows in batches:
                    await _copy(connection, "staged_interaction", to_copy_format(rows))
                    if rows.external_ids:
                        await _copy(connection, "staged_external_id", _external_ids_to_copy_format(rows.external_ids))
                return await _merge(connection)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise InvalidInput(f"a rule of the table user_interaction refuses these rows: {error}") from error


async def _copy(connection: Connection, table: str, content: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    await connection.copy_to_table(
        table, source=chunks(), schema_name="pg_temp", format="binary", timeout=LONGEST_STATEMENT_SECONDS
    )


async def _merge(connection: Connection) -> int:
    await connection.execute(_ONE_IMPORT_AT_A_TIME, timeout=LONGEST_STATEMENT_SECONDS)
    await connection.execute(_MERGE_EXTERNAL_IDS, timeout=LONGEST_STATEMENT_SECONDS)
    # An app's own table may allow, say, one like a user and post: such a row counts as a duplicate.
    clause = "on conflict do nothing" if await connection.fetchval(_HAS_OTHER_KEYS) else ""
    if await connection.fetchval(_HAS_FEEDS):
        statement = _MERGE_AND_MARK.format(merge=_MERGE + clause)
        return int(await connection.fetchval(statement, timeout=LONGEST_STATEMENT_SECONDS))
    outcome: str = await connection.execute(_MERGE + clause, timeout=LONGEST_STATEMENT_SECONDS)
    return int(outcome.rpartition(" ")[2])


def to_copy_format(rows: InteractionRows) -> bytes:
    """The rows as a binary COPY of id, user_id, post_id, type (its code), created_at."""
    staged: np.ndarray[Any, Any] = np.empty(len(rows), _STAGED)
    staged["fields"] = 5
    staged["id_length"] = staged["user_length"] = staged["post_length"] = _UUID_LENGTH
    staged["type_length"], staged["moment_length"] = _TYPE_LENGTH, _MOMENT_LENGTH
    staged["id"], staged["user"], staged["post"] = rows.content_ids(), rows.user_ids, rows.post_ids
    staged["type"], staged["moment"] = rows.types, rows.moments - _MICROSECONDS_1970_TO_2000
    return b"".join((_COPY_START, staged.tobytes(), _COPY_END))


def _external_ids_to_copy_format(external_ids: Iterable[tuple[bytes, str]]) -> bytes:
    records = [
        _EXTERNAL_ID.pack(2, _UUID_LENGTH, uuid, len(encoded)) + encoded
        for uuid, encoded in ((uuid, text.encode()) for uuid, text in external_ids)
    ]
    return b"".join((_COPY_START, *records, _COPY_END))
