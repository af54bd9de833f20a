"""Interactions of many users, copied out of Postgres into arrays."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.infrastructure.history_arrays import HistoryArrays
from core.infrastructure.interaction_arrays import COLUMNS, WHOLE, copied_interactions
from core.infrastructure.postgres_pool import Connection, Pool, borrowed

TIMEOUT_SECONDS = 30.0

# A repeatable read: both statements see one snapshot.
_SNAPSHOT = """
    select nextval('feed_generation') as generation, (select epoch from serving) as epoch,
        (extract(epoch from least(now(), (select max(created_at)::timestamptz from user_interaction))
            - '2000-01-01T00:00:00Z'::timestamptz) * 1000000)::int8 as data_now
"""
# Ids are written into the text, which COPY wants.
_ACTS = f"select {COLUMNS} from user_interaction where user_id = any('{{%s}}'::uuid[]) and {WHOLE}"  # noqa: S608 - made of constants
_SEQUENCES = """
    select coalesce(array_agg(user_id), '{}') as user_ids, coalesce(array_agg(sequence), '{}') as sequences
    from user_change where user_id = any($1::uuid[])
"""


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
            changes = await connection.fetchrow(_SEQUENCES, user_ids)
            acts = _ACTS % ",".join(map(str, user_ids))
            await connection.copy_from_query(acts, output=keep, format="binary", timeout=TIMEOUT_SECONDS)
        return _arrays(b"".join(copied), seen, changes)


def _snapshot(connection: Connection) -> Any:
    return connection.transaction(isolation="repeatable_read")


def _arrays(copied: bytes, seen: Any, changes: Any) -> HistoryArrays:
    acts = copied_interactions(copied)
    acts = acts.of(np.argsort(acts.user_keys, kind="stable"))
    users, count = acts.user_keys, len(acts.user_keys)
    firsts = np.flatnonzero(np.concatenate(([True], users[1:] != users[:-1]))) if count else np.empty(0, dtype=np.int64)
    return HistoryArrays(
        user_keys=users[firsts],
        starts=np.append(firsts, count).astype(np.int64),
        sequences=_sequences_of(users[firsts], changes),
        post_keys=acts.post_keys,
        type_codes=acts.type_codes,
        moments=acts.moments,
        data_now=seen["data_now"] if seen["data_now"] is not None else 0,
        generation=seen["generation"],
        epoch=seen["epoch"],
    )


def _sequences_of(user_keys: NDArray[np.bytes_], changes: Any) -> NDArray[np.int64]:
    """(n,)."""
    sequences = np.zeros(len(user_keys), dtype=np.int64)
    keys = np.array([user_id.bytes for user_id in changes["user_ids"]], dtype="S16")
    places = np.searchsorted(user_keys, keys)
    is_there = places < len(user_keys)
    is_there[is_there] = user_keys[places[is_there]] == keys[is_there]
    sequences[places[is_there]] = np.array(changes["sequences"], dtype=np.int64)[is_there]
    return sequences
