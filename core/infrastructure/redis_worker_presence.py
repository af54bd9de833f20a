"""Signs of life of worker processes, stamped by the broker's own clock."""

from core.domain.errors import QueueUnavailable
from core.domain.job import Queue
from core.infrastructure.redis_client import RedisClient, translated

ALIVE_SECONDS = 10

_BEAT = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('EXPIRE', KEYS[1], 10 * tonumber(ARGV[2]))
"""


def presence_key(queue: Queue) -> str:
    """The sorted set of the queue's processes, each with the second until which it counts as alive."""
    return f"workers:{queue.value}"


class RedisWorkerPresence:
    """Speaks for one process, under a name of its own."""

    def __init__(self, client: RedisClient, process_name: str) -> None:
        self._client = client
        self._process_name = process_name
        self._beat = client.register_script(_BEAT)

    async def beat(self, queue: Queue) -> None:
        """Count as alive for ten more seconds."""
        with translated(QueueUnavailable):
            await self._beat(keys=[presence_key(queue)], args=[self._process_name, ALIVE_SECONDS])

    async def leave(self, queue: Queue) -> None:
        """Count as gone at once."""
        with translated(QueueUnavailable):
            await self._client.zrem(presence_key(queue), self._process_name)
