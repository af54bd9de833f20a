"""Interactions of many users, copied out of Postgres into arrays."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np

from core.domain.interaction import InteractionType
from core.infrastructure.history_arrays import HistoryArrays
from core.infrastructure.postgres_pool import Connection, Pool, borrowed

TIMEOUT_SECONDS = 30.0

# A repeatable read: both statements see one snapshot.
_SNAPSHOT = """
    select nextval('feed_generation') as generation, (select epoch from serving) as epoch,
        (extract(epoch from least(now(), (select max(created_at)::timestamptz from user_interaction))
            - '2000-01-01T00:00:00Z'::timestamptz) * 1000000)::int8 as data_now
"""
_CASES = " ".join(f"when '{kind.value}' then {code}" for code, kind in enumerate(InteractionType))
_KNOWN = ", ".join(f"'{kind.value}'" for kind in InteractionType)
# A naive time cast to timestamptz is UTC, the zone of every session of the pool. Ids are written into the text, which
# COPY wants.
_ACTS = f"""
    select user_id, post_id, (case interaction_type {_CASES} end)::int2, created_at::timestamptz
    from user_interaction
    where user_id = any('{{%s}}'::uuid[]) and interaction_type in ({_KNOWN})
        and post_id is not null and created_at is not null
"""  # noqa: S608 - values of this code alone
# PostgreSQL's COPY in binary: no field is null, so that every row is of one length.
_ROW = np.dtype([
    ("fields", ">i2"), ("user length", ">i4"), ("user", "S16"), ("post length", ">i4"), ("post", "S16"),
    ("kind length", ">i4"), ("kind", ">i2"), ("moment length", ">i4"), ("moment", ">i8"),
])  # fmt: skip
_HEADER_BYTES, _TRAILER_BYTES = 19, 2


class PostgresHistoryBatches:
    """No object is made for an interaction: fifty users' worth of them take as long as one user's otherwise."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, user_ids: Sequence[UUID]) -> HistoryArrays:
        """The histories of all of them."""
        copied: list[bytes] = []

        async def keep(part: bytes) -> None:
            copied.append(part)

        async with borrowed(self._pool) as connection, _snapshot(connection):
            seen = await connection.fetchrow(_SNAPSHOT)
            acts = _ACTS % ",".join(map(str, user_ids))
            await connection.copy_from_query(acts, output=keep, format="binary", timeout=TIMEOUT_SECONDS)
        return _arrays(b"".join(copied), seen)


def _snapshot(connection: Connection) -> Any:
    return connection.transaction(isolation="repeatable_read")


def _arrays(copied: bytes, seen: Any) -> HistoryArrays:
    count = (len(copied) - _HEADER_BYTES - _TRAILER_BYTES) // _ROW.itemsize
    rows = np.frombuffer(copied, dtype=_ROW, count=count, offset=_HEADER_BYTES)
    users = np.ascontiguousarray(rows["user"])
    order = np.argsort(users, kind="stable")
    users = users[order]
    firsts = np.flatnonzero(np.concatenate(([True], users[1:] != users[:-1]))) if count else np.empty(0, dtype=np.int64)
    return HistoryArrays(
        user_keys=users[firsts],
        starts=np.append(firsts, count).astype(np.int64),
        post_keys=rows["post"][order],
        type_codes=rows["kind"][order].astype(np.int64),
        moments=rows["moment"][order].astype(np.int64),
        data_now=seen["data_now"] if seen["data_now"] is not None else 0,
        generation=seen["generation"],
        epoch=seen["epoch"],
    )
