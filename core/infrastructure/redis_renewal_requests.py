"""Users who are to get a new feed, in a set of Redis."""

from collections.abc import Collection
from uuid import UUID

from core.domain.errors import CacheUnavailable
from core.infrastructure.noted_users import NotedUsers
from core.infrastructure.redis_client import RedisClient, translated

REQUESTS_KEY = "renewals"
REQUESTS_AT_MOST = 100_000
KEPT_SECONDS = 600

# Where nobody takes them no more come in, and in the end all are forgotten.
_FLUSH = f"""
if redis.call('SCARD', KEYS[1]) >= {REQUESTS_AT_MOST} then return end
redis.call('SADD', KEYS[1], unpack(ARGV))
redis.call('EXPIRE', KEYS[1], {KEPT_SECONDS})
"""


class RedisRenewalRequests:
    """Members are the sixteen bytes of a user's id: who asks again and again is there once."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._noted = NotedUsers()
        self._flush = client.register_script(_FLUSH)

    def note(self, user_id: UUID) -> None:
        """Keep the user until the next flush."""
        self._noted.note(user_id)

    async def flush(self) -> None:
        """Some users a script."""
        for some in self._noted.taken():
            with translated(CacheUnavailable):
                await self._flush(keys=[REQUESTS_KEY], args=[user.bytes for user in some])

    async def take(self, at_most: int) -> Collection[UUID]:
        """Whichever come first."""
        with translated(CacheUnavailable):
            taken = await self._client.spop(REQUESTS_KEY, at_most)
        return [UUID(bytes=user) for user in taken]
