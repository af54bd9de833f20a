"""The interactions that came into Postgres since a snapshot, each exactly once and late ones too."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.domain.model import ModelRecord
from core.infrastructure.interaction_arrays import COLUMNS, WHOLE, InteractionArrays, copied_interactions
from core.infrastructure.key_rows import bytes_of
from core.infrastructure.postgres_moments import microseconds
from core.infrastructure.postgres_pool import Connection, Pool, borrowed
from core.infrastructure.row_transactions import transaction_of_row

TIMEOUT_SECONDS = 30.0
OVERLAP_SECONDS = 60.0
OPEN_AT_MOST_SECONDS = 600.0
"""For transactions open longer than this nobody looks back: a forgotten one would have everything read every time."""
HISTORY_AT_MOST = 100
"""Of users who are read whole, the newest so many interactions."""
SHARE_FOR_HISTORIES = 0.5

# Where transactions that are open now may date what they add. What others do is not told to everybody: null then.
OPEN_SINCE = f"""
    greatest(now() - interval '{OPEN_AT_MOST_SECONDS} seconds', least(now(), (
        select min(xact_start) from pg_stat_activity where datname = current_database()
    )))
"""  # noqa: S608 - made of constants
_SEEN = f"""
    select pg_current_snapshot()::text as snapshot, now() as now, {OPEN_SINCE} as open_since,
        pg_snapshot_xmax(pg_current_snapshot())::text::int8 as next_transaction
"""
_TRANSACTION = transaction_of_row("{next}::bigint")
_UNSEEN = f"and not pg_visible_in_snapshot({_TRANSACTION}, '{{snapshot}}'::pg_snapshot)"
# Of a part of a transaction, as savepoints make them, a snapshot says that it is over though the whole was open: of
# those that began since the oldest open one the ones that have been read are known by name.
_UNREAD = f"""
    and {_TRANSACTION} >= pg_snapshot_xmin('{{snapshot}}'::pg_snapshot)
    and {_TRANSACTION} <> all('{{{{{{known}}}}}}'::xid8[])
"""
_KNOWN = f"""
    select distinct ({_TRANSACTION})::text::int8 as transaction from user_interaction
    where created_at >= '{{since}}'::timestamptz and {_TRANSACTION} >= pg_snapshot_xmin('{{snapshot}}'::pg_snapshot)
"""  # noqa: S608 - values of Postgres
_SINCE = f"""
    select {COLUMNS} from user_interaction
    where {WHOLE} and created_at {{comparison}} '{{since}}'::timestamptz {{unseen}}
    order by created_at desc limit {{at_most}}
"""  # noqa: S608 - values of this code and of Postgres
_HISTORIES = f"""
    select {COLUMNS} from unnest('{{{{{{ids}}}}}}'::uuid[]) as asked(id) cross join lateral (
        select * from user_interaction where user_id = asked.id and {WHOLE}
        order by created_at desc limit {HISTORY_AT_MOST}
    ) as newest
"""  # noqa: S608 - made of constants and of ids


class TailPosition(NamedTuple):
    """Up to where interactions are known.

    snapshot: what is visible in it is known, None where all up to the moment are; since: no transaction that is not
    known began before. known: of the transactions that began after the oldest one open in it, those that are known;
    None where the snapshot alone tells.
    """

    snapshot: str | None
    since: datetime
    known: frozenset[int] | None = None


class TailRead(NamedTuple):
    """acts: not known before, the newest where there are more than were asked for; histories: of the unheard among
    their users, these acts included; position: from where to read on; now: by the server's clock.
    """

    acts: InteractionArrays
    histories: InteractionArrays
    position: TailPosition
    now: datetime

    def until(self, moment: datetime) -> "TailRead":
        """What had happened by then."""
        acts, histories = (some.of(some.moments <= microseconds(moment)) for some in (self.acts, self.histories))
        is_of_actor = np.isin(histories.user_keys, acts.user_keys)
        return self._replace(acts=acts, histories=histories.of(is_of_actor), now=min(moment, self.now))


Unheard = Callable[[NDArray[np.bytes_]], NDArray[np.bytes_]]
"""Of the users of some interactions, (n,), S16, those whose histories are wanted."""


def end_of_data(record: ModelRecord) -> TailPosition:
    """What the model was trained on: the snapshot that was read, or before these were kept all up to the newest."""
    if record.data_snapshot is None or record.data_open_since is None:
        return TailPosition(None, record.data_up_to)
    return TailPosition(record.data_snapshot, record.data_open_since)


class PostgresInteractionTail:
    """Each reading is one snapshot; nothing is remembered but how far it went."""

    def __init__(self, pool: Pool, at_most: int, overlap_seconds: float = OVERLAP_SECONDS) -> None:
        """at_most: interactions that one reading gives; overlap_seconds: see PostgresNewInteractions."""
        self._pool = pool
        self._at_most = at_most
        self._overlap = timedelta(seconds=overlap_seconds)

    async def read(self, position: TailPosition, fallback: datetime, unheard: Unheard) -> TailRead:
        """What is not known at this position. Raises ArchiveUnavailable.

        fallback: up to where all is known if the position's snapshot is of another server than this.
        """
        async with (
            borrowed(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            seen = await connection.fetchrow(_SEEN)
            acts = await _copied(connection, self._since(position, fallback, seen["next_transaction"]))
            histories = await _copied(connection, self._histories(unheard(acts.user_keys)))
            following = await self._following(connection, seen)
        return TailRead(acts, histories, following, seen["now"])

    def _since(self, position: TailPosition, fallback: datetime, next_transaction: int) -> str:
        is_ours = position.snapshot is not None and _end_of(position.snapshot) <= next_transaction
        if position.snapshot is None or not is_ours:
            since = position.since if position.snapshot is None else fallback
            return _SINCE.format(comparison=">", since=since.isoformat(), unseen="", at_most=self._at_most)
        if position.known is None:
            unseen = _UNSEEN.format(next=next_transaction, snapshot=position.snapshot)
        else:
            known = ",".join(map(str, position.known))
            unseen = _UNREAD.format(next=next_transaction, snapshot=position.snapshot, known=known)
        earliest = (position.since - self._overlap).isoformat()
        return _SINCE.format(comparison=">=", since=earliest, unseen=unseen, at_most=self._at_most)

    def _histories(self, user_keys: NDArray[np.bytes_]) -> str:
        """Of no more users than leave room for what others do."""
        most = int(self._at_most * SHARE_FOR_HISTORIES) // HISTORY_AT_MOST
        return _HISTORIES.format(ids=",".join(key.hex() for key in bytes_of(user_keys[:most])))

    async def _following(self, connection: Connection, seen: Any) -> TailPosition:
        snapshot, since = seen["snapshot"], seen["open_since"]
        if _is_nothing_open(snapshot):
            return TailPosition(snapshot, since, frozenset())
        query = _KNOWN.format(
            next=seen["next_transaction"], since=(since - self._overlap).isoformat(), snapshot=snapshot
        )
        rows = await connection.fetch(query, timeout=TIMEOUT_SECONDS)
        return TailPosition(snapshot, since, frozenset(row["transaction"] for row in rows))


async def _copied(connection: Connection, query: str) -> InteractionArrays:
    parts: list[bytes] = []

    async def keep(part: bytes) -> None:
        parts.append(part)

    await connection.copy_from_query(query, output=keep, format="binary", timeout=TIMEOUT_SECONDS)
    return copied_interactions(b"".join(parts))


def _is_nothing_open(snapshot: str) -> bool:
    oldest_open, following, _ = snapshot.split(":")
    return oldest_open == following


def _end_of(snapshot: str) -> int:
    """The first transaction that had not begun: the second part of `xmin:xmax:others`."""
    return int(snapshot.split(":")[1])
