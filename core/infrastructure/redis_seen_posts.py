"""Posts just seen, in Redis."""

from collections.abc import Sequence
from uuid import UUID

from core.domain.errors import CacheUnavailable
from core.domain.user_change import SEEN_AT_MOST, UserChange
from core.infrastructure.gathered_reads import GatheredReads
from core.infrastructure.packed_ids import PackedIds
from core.infrastructure.redis_client import RedisClient, translated
from core.infrastructure.redis_feed_cache import cold_key

KEPT_SECONDS = 86_400
SEQUENCE_BYTES, POST_BYTES = 8, 16
USERS_A_SCRIPT = 100

# Byte by byte: Redis compares text by the language of its environment. Who has a history is cold no more.
_ADD = f"""
local function is_higher(one, other)
    for place = 1, {SEQUENCE_BYTES} do
        local a, b = string.byte(one, place), string.byte(other, place)
        if a ~= b then return a > b end
    end
    return false
end
for place = 1, #KEYS / 2 do
    local key, sequence, posts = KEYS[2 * place - 1], ARGV[2 * place - 1], ARGV[2 * place]
    local held = redis.call('GET', key)
    local known, kept = {{}}, {{}}
    local function keep(all, first)
        for start = first, #all, {POST_BYTES} do
            local post = string.sub(all, start, start + {POST_BYTES - 1})
            if not known[post] and #kept < {SEEN_AT_MOST} then
                known[post] = true
                kept[#kept + 1] = post
            end
        end
    end
    keep(posts, 1)
    if held and #held % {POST_BYTES} == {SEQUENCE_BYTES} then
        keep(held, {SEQUENCE_BYTES + 1})
        if is_higher(held, sequence) then sequence = string.sub(held, 1, {SEQUENCE_BYTES}) end
    end
    redis.call('SET', key, sequence .. table.concat(kept), 'EX', {KEPT_SECONDS})
    redis.call('UNLINK', KEYS[2 * place])
end
"""


class RedisSeenPosts:
    """One key a user, `seen:<uuid>`: the sequence in eight bytes, then sixteen for each post, the newest first."""

    def __init__(self, client: RedisClient) -> None:
        self._reads = GatheredReads(client, CacheUnavailable)
        self._add = client.register_script(_ADD)

    async def add(self, changes: Sequence[UserChange]) -> None:
        """Some users a script: other clients come in between."""
        for start in range(0, len(changes), USERS_A_SCRIPT):
            some = changes[start : start + USERS_A_SCRIPT]
            keys = [key for change in some for key in (seen_key(change.user_id), cold_key(change.user_id))]
            arguments = [part for change in some for part in _packed(change)]
            with translated(CacheUnavailable):
                await self._add(keys=keys, args=arguments)

    async def get(self, user_id: UUID) -> UserChange | None:
        """What cannot be read counts as forgotten."""
        value = await self._reads.get(seen_key(user_id))
        return None if value is None else read_change(user_id, value)


def read_change(user_id: UUID, value: bytes) -> UserChange | None:
    """What lies in Redis as these bytes; the posts become objects when they are looked at, which is seldom."""
    if len(value) % POST_BYTES != SEQUENCE_BYTES:
        return None
    return UserChange(user_id, int.from_bytes(value[:SEQUENCE_BYTES]), PackedIds(value[SEQUENCE_BYTES:]))


def seen_key(user_id: UUID | str) -> str:
    """Where the user's seen posts lie."""
    return f"seen:{user_id}"


def _packed(change: UserChange) -> tuple[bytes, bytes]:
    posts = b"".join(post_id.bytes for post_id in change.post_ids[:SEEN_AT_MOST])
    return change.sequence.to_bytes(SEQUENCE_BYTES), posts
