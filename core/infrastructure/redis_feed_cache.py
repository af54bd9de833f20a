"""Feeds in Redis."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import structlog

from core.domain.errors import CacheUnavailable
from core.domain.feed import ORDER_DIGITS, Feed, FeedOrder, FirstPage
from core.infrastructure.gathered_reads import GatheredReads
from core.infrastructure.packed_recommendations import PackedRecommendations, PackedTexts, pack
from core.infrastructure.page_rendering import RenderedStart, rendered_starts
from core.infrastructure.redis_client import RedisClient, translated

READY_CHANNEL = "feed-ready"
KEPT_AFTER_EXPIRY, KEPT_AT_LEAST = timedelta(hours=1), timedelta(minutes=5)
COLD_SECONDS = 30
FIRST_PAGE_LIMIT = 50
FEEDS_A_ROUND_TRIP = 50

# The value begins with the order, 40 digits: as text it compares like the numbers do. What begins otherwise is not
# ours and gives way. An equal order is the same feed again, written anew in case the old bytes cannot be read.
# Whoever waits is woken even when a newer feed stays: that one will do.
_HOLD = """
local function hold(key, value, milliseconds)
    local held = redis.call('GETRANGE', key, 0, 39)
    if #held < 40 or string.find(held, '%D') or held <= string.sub(value, 1, 40) then
        redis.call('SET', key, value, 'PX', milliseconds)
        return 1
    end
    return 0
end
"""
_PUT = f"""{_HOLD}
local stored = hold(KEYS[1], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return stored
"""
# Values and milliseconds in turn, as many pairs as keys.
_PUT_MANY = f"""{_HOLD}
for place, key in ipairs(KEYS) do hold(key, ARGV[2 * place - 1], ARGV[2 * place]) end
"""
_PUT_PROVISIONAL = """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""
# What begins otherwise than with an order is not ours to judge: it goes when its time is over.
_FORGET = """
for place, key in ipairs(KEYS) do
    local held = redis.call('GETRANGE', key, 0, 39)
    if #held == 40 and held <= ARGV[place] then redis.call('UNLINK', key) end
end
"""


class _StoredFeed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A feed as it lies in Redis, behind its order.

    records: packed recommendations; texts: of their ids, none at all where every id is its own text; first_limit,
    first_deflated, first_crc, first_length: the first page's start as it goes out.
    """

    records: bytes
    texts: list[str]
    model_version: str
    generated_at: datetime
    expires_at: datetime
    built_up_to: datetime | None
    built_sequence: int
    compute_ms: float
    first_limit: int
    first_deflated: bytes
    first_crc: int
    first_length: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_StoredFeed)


class RedisFeedCache:
    """One key a user, `feed:<uuid>`, that lives until an hour after the feed's expiry, or as long again.

    The first page lies beside the feed as it goes out, compressed: a web process sends it as it is.
    """

    def __init__(
        self,
        client: RedisClient,
        first_page_limit: int = FIRST_PAGE_LIMIT,
        render_many: Callable[[Sequence[Feed], int], Sequence[RenderedStart]] = rendered_starts,
    ) -> None:
        """render_many: the first pages of feeds, of up to so many posts; there is a quicker one for who has numpy."""
        self._client = client
        self._first_page_limit = first_page_limit
        self._render_many = render_many
        self._reads = GatheredReads(client, CacheUnavailable)
        self._put = client.register_script(_PUT)
        self._put_many = client.register_script(_PUT_MANY)
        self._put_provisional = client.register_script(_PUT_PROVISIONAL)
        self._forget = client.register_script(_FORGET)

    async def get(self, user_id: UUID) -> Feed | None:
        """The feed held for the user; a value that cannot be read counts as forgotten."""
        value = await self._reads.get(feed_key(user_id))
        return None if value is None else read_feed(user_id, value)

    async def put(self, feed: Feed) -> bool:
        """Hold the feed and tell whoever listens, in one script."""
        arguments = [self._encoded(feed), _kept_milliseconds(feed), READY_CHANNEL, str(feed.user_id)]
        with translated(CacheUnavailable):
            return bool(await self._put(keys=[feed_key(feed.user_id)], args=arguments))

    async def put_many(self, feeds: Sequence[Feed]) -> None:
        """The same without the signal, some feeds a script: other clients come in between."""
        for start in range(0, len(feeds), FEEDS_A_ROUND_TRIP):
            some = feeds[start : start + FEEDS_A_ROUND_TRIP]
            arguments = await asyncio.to_thread(self._arguments_of, some)
            with translated(CacheUnavailable):
                await self._put_many(keys=[feed_key(feed.user_id) for feed in some], args=arguments)

    def _arguments_of(self, feeds: Sequence[Feed]) -> list[bytes | int]:
        limit = self._first_page_limit
        starts = self._render_many(feeds, limit)
        return [
            argument
            for feed, start in zip(feeds, starts, strict=True)
            for argument in (_encoded(feed, limit, start), _kept_milliseconds(feed))
        ]

    def _encoded(self, feed: Feed) -> bytes:
        (start,) = rendered_starts([feed], self._first_page_limit)
        return _encoded(feed, self._first_page_limit, start)

    async def put_provisional(self, feed: Feed) -> bool:
        """The same where no feed is there, and for no longer than it is fresh."""
        milliseconds = max(1, (feed.expires_at - datetime.now(UTC)) // timedelta(milliseconds=1))
        arguments = [self._encoded(feed), milliseconds, READY_CHANNEL, str(feed.user_id)]
        with translated(CacheUnavailable):
            return bool(await self._put_provisional(keys=[feed_key(feed.user_id)], args=arguments))

    async def announce(self, user_id: UUID) -> None:
        """The signal alone."""
        with translated(CacheUnavailable):
            await self._client.publish(READY_CHANNEL, str(user_id))

    async def forget(self, orders: Mapping[UUID, FeedOrder]) -> None:
        """All of them in one script."""
        with translated(CacheUnavailable):
            await self._forget(
                keys=[feed_key(user) for user in orders], args=[order.digits for order in orders.values()]
            )

    async def is_cold(self, user_id: UUID) -> bool:
        """Whether the marker is there."""
        return await self._reads.get(cold_key(user_id)) is not None

    async def mark_cold(self, user_id: UUID) -> None:
        """Set the marker for half a minute."""
        with translated(CacheUnavailable):
            await self._client.set(cold_key(user_id), b"", ex=COLD_SECONDS)


def read_feed(user_id: UUID, value: bytes) -> Feed | None:
    """The feed that lies in Redis as these bytes; None where they cannot be read."""
    try:
        return _decoded(user_id, value)
    except (ValueError, msgspec.DecodeError) as error:
        structlog.get_logger().warning("cached_feed_not_readable", user_id=str(user_id), error=str(error))
        return None


def feed_key(user_id: UUID | str) -> str:
    """Where the user's feed lies."""
    return f"feed:{user_id}"


def _kept_milliseconds(feed: Feed) -> int:
    """What was to be fresh for minutes is not kept for an hour afterwards, but long enough for next pages."""
    fresh_for = feed.expires_at - feed.generated_at
    is_brief = timedelta() < fresh_for < KEPT_AFTER_EXPIRY
    stale_for = max(fresh_for, KEPT_AT_LEAST) if is_brief else KEPT_AFTER_EXPIRY
    remaining = feed.expires_at - datetime.now(UTC) + stale_for
    return max(1, remaining // timedelta(milliseconds=1))


def cold_key(user_id: UUID | str) -> str:
    """Where it is marked that the user has no history."""
    return f"cold:{user_id}"


def _encoded(feed: Feed, first_page_limit: int, start: RenderedStart) -> bytes:
    stored = _StoredFeed(
        records=pack(feed.recommendations),
        texts=[feed.external_ids.get(item.post_id, "") for item in feed.recommendations] if feed.external_ids else [],
        model_version=feed.model_version,
        generated_at=feed.generated_at,
        expires_at=feed.expires_at,
        built_up_to=feed.built_up_to,
        built_sequence=feed.built_sequence,
        compute_ms=feed.compute_ms,
        first_limit=first_page_limit,
        first_deflated=start.deflated,
        first_crc=start.crc,
        first_length=start.length,
    )
    return feed.order.digits.encode() + _encoder.encode(stored)


def _decoded(user_id: UUID, value: bytes) -> Feed:
    stored = _decoder.decode(memoryview(value)[ORDER_DIGITS:])
    recommendations = PackedRecommendations.checked(stored.records)
    start = RenderedStart(stored.first_deflated, stored.first_crc, stored.first_length)
    return Feed(
        user_id=user_id,
        recommendations=recommendations,
        model_version=stored.model_version,
        order=FeedOrder.of_digits(value[:ORDER_DIGITS]),
        generated_at=stored.generated_at,
        expires_at=stored.expires_at,
        built_up_to=stored.built_up_to,
        built_sequence=stored.built_sequence,
        external_ids=PackedTexts(recommendations, stored.texts) if stored.texts else {},
        compute_ms=stored.compute_ms,
        first_page=FirstPage(stored.first_limit, start),
    )
