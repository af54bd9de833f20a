"""Keys of Redis that let one job of a user pass, and no other while they last."""

from collections.abc import Sequence
from uuid import UUID

from core.domain.errors import CacheUnavailable
from core.infrastructure.redis_client import RedisClient, translated

PACE_SECONDS = 3.0
USERS_A_SCRIPT = 1000

_ADMIT = """
local admitted = {}
for place, key in ipairs(KEYS) do
    if redis.call('SET', key, '', 'NX', 'PX', ARGV[1]) then admitted[#admitted + 1] = place end
end
return admitted
"""


class RedisJobPacing:
    """One key a user, `paced:<uuid>`, that goes by itself."""

    def __init__(self, client: RedisClient, pace_seconds: float = PACE_SECONDS) -> None:
        """pace_seconds: between one job of a user and the next."""
        self._milliseconds = max(1, round(1000 * pace_seconds))
        self._admit = client.register_script(_ADMIT)

    async def admit(self, user_ids: Sequence[UUID]) -> set[UUID]:
        """All in one script, thousand by thousand."""
        admitted: set[UUID] = set()
        for start in range(0, len(user_ids), USERS_A_SCRIPT):
            some = user_ids[start : start + USERS_A_SCRIPT]
            with translated(CacheUnavailable):
                places = await self._admit(keys=[f"paced:{user}" for user in some], args=[self._milliseconds])
            admitted.update(some[place - 1] for place in places)
        return admitted
