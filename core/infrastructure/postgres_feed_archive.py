"""Feeds in Postgres, one row a user."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from core.application.ports.feed_archive import FeedCounts
from core.application.ports.freshness_meter import FreshnessMeter
from core.domain.feed import Feed, FeedOrder, Recommendation
from core.domain.user_change import SEEN_AT_MOST, UserChange
from core.infrastructure.copied_feeds import COLUMNS, copied_feeds
from core.infrastructure.postgres_pool import Connection, Pool, borrowed, transaction
from core.infrastructure.shared_reads import SharedReads
from core.infrastructure.stored_reasons import REASONS

COUNT_TIMEOUT_SECONDS = 30.0
BATCH = 1000

# What the user has done since: the posts are found here, as whoever noted them in Redis may have failed to.
_GET = """
    select user_id, post_ids, scores, reasons, model_version, epoch, generation, generated_at, expires_at, built_up_to,
        built_sequence,
        (select coalesce(jsonb_object_agg(id, text), '{}') from external_id where id = any(post_ids)) as external_ids,
        sequence,
        case when sequence > built_sequence then array(
            select post_id from user_interaction where user_id = feed.user_id and post_id is not null
            order by created_at desc limit $2
        ) end as seen
    from feed left join user_change using (user_id) where user_id = $1
"""
_UNLESS_NEWER = """
    on conflict (user_id) do update set
        post_ids = excluded.post_ids, scores = excluded.scores, reasons = excluded.reasons,
        model_version = excluded.model_version, epoch = excluded.epoch, generation = excluded.generation,
        generated_at = excluded.generated_at, expires_at = excluded.expires_at, built_up_to = excluded.built_up_to,
        built_sequence = excluded.built_sequence
    where (stored.epoch, stored.generation) < (excluded.epoch, excluded.generation)
"""
# A user is due for as long as the feed that is stored, whichever that is, does not know of the latest change.
_PUT = f"""
    with kept as (
        insert into feed as stored ({", ".join(COLUMNS)}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        {_UNLESS_NEWER} returning true
    ),
    marked as (
        update user_change set is_due = sequence > $11
        where user_id = $1 and is_due <> (sequence > $11) and exists (select from kept)
        returning is_due, extract(epoch from clock_timestamp() - changed_at)::float8 as lag
    )
    select exists (select from kept) as is_stored, (select lag from marked where not is_due) as lag
"""  # noqa: S608 - names of this code alone
# Not taken apart, as in the table itself: see the migration.
_INCOMING = "create temp table incoming (like feed) with (toast_tuple_target = 8160) on commit drop"
# In one order: two who write the same users wait for each other, and never both.
_PUT_INCOMING = f"""
    insert into feed as stored ({", ".join(COLUMNS)})
    select {", ".join(COLUMNS)} from incoming order by user_id {_UNLESS_NEWER} returning user_id
"""  # noqa: S608 - the same
# In one order here, too, which is that of whoever marks users.
_MARK = """
    with wrong as (
        select user_id, built_sequence from user_change join incoming using (user_id)
        where user_id = any($1::uuid[]) and is_due <> (sequence > built_sequence)
        order by user_id for update of user_change
    )
    update user_change set is_due = sequence > built_sequence from wrong where user_change.user_id = wrong.user_id
    returning is_due, extract(epoch from clock_timestamp() - changed_at)::float8 as lag
"""
_COUNT = """
    select count(*) filter (where fresh) as fresh, count(*) filter (where not fresh) as stale
    from (select expires_at > $1 and model_version <> all($2::text[]) as fresh from feed) as feeds
"""
_USERS_OF = "select user_id from feed where model_version = $1 order by built_up_to desc nulls last, user_id"


class PostgresFeedArchive:
    """The lower order loses in the statement itself, so that no two writers need to agree on anything."""

    def __init__(self, pool: Pool, meter: FreshnessMeter | None = None) -> None:
        self._pool = pool
        self._meter = meter
        self._reads = SharedReads(self._read)

    async def get(self, user_id: UUID) -> Feed | None:
        """The user's stored feed, fresh or not; a crowd that misses the same one in the cache costs one query."""
        return await self._reads.get(user_id)

    async def put(self, feed: Feed) -> bool:
        """Store the feed unless a newer one is there, and say whether its user is due, in one statement."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_PUT, *_columns_of(feed))
        self._tell([row["lag"]] if row["lag"] is not None else [])
        return bool(row["is_stored"])

    async def put_many(self, feeds: Sequence[Feed]) -> Sequence[Feed]:
        """The same by COPY, in one transaction."""
        async with transaction(self._pool) as connection:
            stored, lags = await put_feeds(connection, feeds)
        self._tell(lags)
        return stored

    async def count(self, now: datetime, stale_versions: frozenset[str] = frozenset()) -> FeedCounts:
        """Fresh and stale feeds."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_COUNT, now, list(stale_versions), timeout=COUNT_TIMEOUT_SECONDS)
        return FeedCounts(row["fresh"], row["stale"])

    async def users_of(self, model_version: str) -> AsyncIterator[Sequence[UUID]]:
        """A thousand at a time, by a server-side cursor; the connection is held until the last."""
        async with transaction(self._pool) as connection:
            cursor = await connection.cursor(_USERS_OF, model_version, timeout=COUNT_TIMEOUT_SECONDS)
            while rows := await cursor.fetch(BATCH, timeout=COUNT_TIMEOUT_SECONDS):
                yield [row["user_id"] for row in rows]

    def _tell(self, lags_seconds: Sequence[float]) -> None:
        if self._meter is not None:
            for seconds in lags_seconds:
                self._meter.renewed(seconds)

    async def _read(self, user_id: UUID) -> Feed | None:
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_GET, user_id, SEEN_AT_MOST)
        return None if row is None else _feed_of(row)


class PutFeeds(NamedTuple):
    """lags_seconds: since the latest changes of users who are due no more."""

    stored: Sequence[Feed]
    lags_seconds: Sequence[float]


async def put_feeds(connection: Connection, feeds: Sequence[Feed]) -> PutFeeds:
    """Inside the caller's transaction store the feeds that are newer than what is there.

    One a user; by COPY and one statement.
    """
    if not feeds:
        return PutFeeds([], [])
    await connection.execute(_INCOMING)
    source = _all(await asyncio.to_thread(list, copied_feeds(feeds)))
    await connection.copy_to_table(
        "incoming", source=source, columns=COLUMNS, format="binary", timeout=COUNT_TIMEOUT_SECONDS
    )
    rows = await connection.fetch(_PUT_INCOMING, timeout=COUNT_TIMEOUT_SECONDS)
    stored = {row["user_id"] for row in rows}
    marked = await connection.fetch(_MARK, list(stored), timeout=COUNT_TIMEOUT_SECONDS)
    lags_seconds = [row["lag"] for row in marked if not row["is_due"]]
    return PutFeeds([feed for feed in feeds if feed.user_id in stored], lags_seconds)


async def _all(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def _columns_of(feed: Feed) -> tuple[Any, ...]:
    return (
        feed.user_id,
        [item.post_id for item in feed.recommendations],
        [item.score for item in feed.recommendations],
        [REASONS.index(item.reason) for item in feed.recommendations],
        feed.model_version,
        feed.order.epoch,
        feed.order.generation,
        feed.generated_at,
        feed.expires_at,
        feed.built_up_to,
        feed.built_sequence,
    )


def _feed_of(row: Any) -> Feed:
    items = zip(row["post_ids"], row["scores"], row["reasons"], strict=True)
    return Feed(
        user_id=row["user_id"],
        recommendations=tuple(
            Recommendation(post_id, _shortest(score), REASONS[reason]) for post_id, score, reason in items
        ),
        model_version=row["model_version"],
        order=FeedOrder(row["epoch"], row["generation"]),
        generated_at=row["generated_at"],
        expires_at=row["expires_at"],
        built_up_to=row["built_up_to"],
        built_sequence=row["built_sequence"],
        change=UserChange(row["user_id"], row["sequence"], row["seen"]) if row["seen"] is not None else None,
        external_ids={UUID(post_id): text for post_id, text in row["external_ids"].items()},
    )


def _shortest(score: float) -> float:
    """0.85 again, which single precision gives back as 0.8500000238418579."""
    return float(f"{score:.7g}")
