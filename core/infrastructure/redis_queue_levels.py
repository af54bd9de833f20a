"""How full Dramatiq's queues in Redis are."""

from collections.abc import Mapping
from typing import Any

import msgspec

from core.domain.errors import QueueUnavailable
from core.domain.job import Queue
from core.domain.levels import QueueLevel
from core.infrastructure.redis_client import RedisClient, translated
from core.infrastructure.redis_job_queue import NAMESPACE
from core.infrastructure.redis_worker_presence import presence_key

# KEYS in pairs: the list of a queue's waiting ids, after which its other keys are called, and the set of its workers.
_READ = """
local time = redis.call('TIME')
local found = {}
for place = 1, #KEYS, 2 do
    local waiting, workers = KEYS[place], KEYS[place + 1]
    local length = redis.call('LLEN', waiting)
    local head = redis.call('LINDEX', waiting, 0)
    table.insert(found, {
        length,
        redis.call('HLEN', waiting .. '.msgs'),
        redis.call('HLEN', waiting .. '.DQ.msgs'),
        head and redis.call('HGET', waiting .. '.msgs', head) or '',
        redis.call('ZCARD', waiting .. '.XQ'),
        redis.call('ZCOUNT', workers, '(' .. time[1], '+inf'),
    })
end
return {time[1] * 1000 + math.floor(time[2] / 1000), found}
"""


class _Sent(msgspec.Struct):
    """Of Dramatiq's message, when it was first put in, in milliseconds since 1970."""

    message_timestamp: int


class RedisQueueLevels:
    """One script for all queues; the age of a message is what its producer's clock and the server's make of it."""

    def __init__(self, client: RedisClient) -> None:
        self._read = client.register_script(_READ)

    async def read(self) -> Mapping[Queue, QueueLevel]:
        """Every queue."""
        keys = [key for queue in Queue for key in (f"{NAMESPACE}:{queue.value}", presence_key(queue))]
        with translated(QueueUnavailable):
            now_ms, found = await self._read(keys=keys)
        return {queue: _level(now_ms, figures) for queue, figures in zip(Queue, found, strict=True)}


def _level(now_ms: int, figures: list[Any]) -> QueueLevel:
    waiting, unfinished, delayed, head, dead_letters, workers_alive = figures
    return QueueLevel(
        waiting=waiting,
        delayed=delayed,
        running=max(0, unfinished - waiting),
        oldest_waiting_seconds=_age_seconds(now_ms, head) if waiting else None,
        dead_letters=dead_letters,
        workers_alive=workers_alive,
    )


def _age_seconds(now_ms: int, payload: bytes) -> float | None:
    """None for what is no message."""
    try:
        sent = msgspec.json.decode(payload, type=_Sent)
    except msgspec.DecodeError:
        return None
    return max(0.0, (now_ms - sent.message_timestamp) / 1000)
