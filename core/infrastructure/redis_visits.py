"""Visits in a sorted set of Redis, by the server's own clock."""

import time
from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

from core.domain.errors import CacheUnavailable
from core.infrastructure.noted_users import NotedUsers
from core.infrastructure.redis_client import RedisClient, translated

VISITS_KEY = "visits"
RECENT_SECONDS = 600.0
VISITORS_AT_MOST = 100_000
TOLD_SHARE, TOLD_AT_MOST = 0.1, 100_000
"""For a tenth of the time in which a visit counts its user is not told of again."""
PAGE = 1000

_NOW = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
"""
_FLUSH = f"""{_NOW}
local visits = {{}}
for place = 2, #ARGV do
    visits[#visits + 1] = now
    visits[#visits + 1] = ARGV[place]
end
redis.call('ZADD', KEYS[1], unpack(visits))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1]))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -{VISITORS_AT_MOST + 1})
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[1]))
"""
_RECENT_AMONG = f"""{_NOW}
local recent = {{}}
for place = 2, #ARGV do
    local score = redis.call('ZSCORE', KEYS[1], ARGV[place])
    if score and tonumber(score) > now - tonumber(ARGV[1]) then recent[#recent + 1] = ARGV[place] end
end
return recent
"""
_RECENT = f"""{_NOW}
return redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', now - tonumber(ARGV[1]), 'LIMIT', ARGV[2], ARGV[3])
"""


class RedisVisits:
    """Members are the sixteen bytes of a user's id; those of long ago, and those beyond the most, go at each flush."""

    def __init__(self, client: RedisClient, recent_seconds: float = RECENT_SECONDS) -> None:
        """recent_seconds: for how long a visit counts."""
        self._client = client
        self._recent_seconds = recent_seconds
        self._noted = NotedUsers()
        self._told: set[UUID] = set()
        self._tell_all_again_at = 0.0
        self._flush = client.register_script(_FLUSH)
        self._recent_among = client.register_script(_RECENT_AMONG)
        self._recent = client.register_script(_RECENT)

    def note(self, user_id: UUID) -> None:
        """Keep the user until the next flush, unless that was told a moment ago."""
        if user_id not in self._told:
            self._noted.note(user_id)

    async def flush(self) -> None:
        """Some users a script."""
        now = time.monotonic()
        if now >= self._tell_all_again_at or len(self._told) + len(self._noted) > TOLD_AT_MOST:
            self._told, self._tell_all_again_at = set(), now + TOLD_SHARE * self._recent_seconds
        for some in self._noted.taken():
            with translated(CacheUnavailable):
                await self._flush(keys=[VISITS_KEY], args=[self._recent_seconds, *(user.bytes for user in some)])
            self._told.update(some)

    async def recent_among(self, user_ids: Collection[UUID]) -> set[UUID]:
        """A thousand at a time."""
        asked, recent = [user.bytes for user in user_ids], set[UUID]()
        for start in range(0, len(asked), PAGE):
            arguments = [self._recent_seconds, *asked[start : start + PAGE]]
            with translated(CacheUnavailable):
                found = await self._recent_among(keys=[VISITS_KEY], args=arguments)
            recent.update(UUID(bytes=user) for user in found)
        return recent

    async def recent(self) -> AsyncIterator[Sequence[UUID]]:
        """By place from the latest on: who comes back meanwhile may be met twice."""
        for start in range(0, VISITORS_AT_MOST, PAGE):
            with translated(CacheUnavailable):
                found = await self._recent(keys=[VISITS_KEY], args=[self._recent_seconds, start, PAGE])
            if found:
                yield [UUID(bytes=user) for user in found]
            if len(found) < PAGE:
                return
