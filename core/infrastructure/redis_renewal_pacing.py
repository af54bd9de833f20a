"""Keys of Redis that let one renewal of a user pass, and no other while they last."""

from collections.abc import Collection, Sequence
from uuid import UUID

from core.application.ports.renewal_pacing import Admission
from core.domain.errors import CacheUnavailable
from core.infrastructure.redis_client import RedisClient, translated

PACE_SECONDS = 3.0
IN_HAND_SECONDS = 3600
USERS_A_SCRIPT = 1000

# Keys are paced and in hand in turn.
_ADMIT = """
local together, alone = {}, {}
for place = 1, #KEYS, 2 do
    if redis.call('SET', KEYS[place], '', 'NX', 'PX', ARGV[1]) then
        local is_new = redis.call('SET', KEYS[place + 1], '', 'NX', 'EX', ARGV[2])
        local admitted = is_new and together or alone
        admitted[#admitted + 1] = (place - 1) / 2
    end
end
return {together, alone}
"""


class RedisRenewalPacing:
    """Two keys a user: `paced:<uuid>`, that goes by itself, and `in-hand:<uuid>`, that is to be gone before."""

    def __init__(self, client: RedisClient, pace_seconds: float = PACE_SECONDS) -> None:
        """pace_seconds: between one renewal of a user and the next."""
        self._client = client
        self._milliseconds = max(1, round(1000 * pace_seconds))
        self._admit = client.register_script(_ADMIT)

    async def admit(self, user_ids: Sequence[UUID]) -> Admission:
        """All in one script, thousand by thousand."""
        together, alone = set[UUID](), set[UUID]()
        for start in range(0, len(user_ids), USERS_A_SCRIPT):
            some = user_ids[start : start + USERS_A_SCRIPT]
            keys = [key for user in some for key in (f"paced:{user}", _in_hand_key(user))]
            with translated(CacheUnavailable):
                places = await self._admit(keys=keys, args=[self._milliseconds, IN_HAND_SECONDS])
            for admitted, found in zip((together, alone), places, strict=True):
                admitted.update(some[place] for place in found)
        return Admission(together, alone)

    async def done(self, user_ids: Collection[UUID]) -> None:
        """Only the latter key goes."""
        if user_ids:
            with translated(CacheUnavailable):
                await self._client.unlink(*map(_in_hand_key, user_ids))


def _in_hand_key(user_id: UUID) -> str:
    return f"in-hand:{user_id}"
