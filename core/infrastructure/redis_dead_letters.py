"""Dead letters in Redis, where workers lay them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from core.application.ports.dead_letters import DeadLetter
from core.domain.errors import QueueUnavailable
from core.domain.job import Queue
from core.infrastructure.redis_client import RedisClient, translated
from core.infrastructure.redis_job_queue import NAMESPACE

# Of two who ask for the same letter at once, one finds it.
_RETRY = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1] .. '.msgs', ARGV[1])
redis.call('HDEL', KEYS[1] .. '.errors', ARGV[1])
redis.call('HSET', KEYS[2] .. '.msgs', ARGV[1], ARGV[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1
"""
_DROP = """
redis.call('HDEL', KEYS[1] .. '.msgs', ARGV[1])
redis.call('HDEL', KEYS[1] .. '.errors', ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""


class RedisDeadLetters:
    """Dramatiq's sorted sets `queue.XQ` with payloads beside, and ours with the errors."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._retry = client.register_script(_RETRY)
        self._drop = client.register_script(_DROP)

    async def all(self) -> Sequence[DeadLetter]:
        """All letters of both queues."""
        with translated(QueueUnavailable):
            letters = [letter for queue in Queue for letter in await self._of(queue)]
        return sorted(letters, key=lambda letter: letter.died_at, reverse=True)

    async def retry(self, ids: Collection[str]) -> int:
        """Each in one step, without the count of its attempts."""
        return sum([await self._retried(queue, id_) for queue in Queue for id_ in ids])

    async def drop(self, ids: Collection[str]) -> int:
        """Each in one step."""
        with translated(QueueUnavailable):
            return sum([int(await self._drop(keys=[_dead(queue)], args=[id_])) for queue in Queue for id_ in ids])

    async def _retried(self, queue: Queue, letter_id: str) -> int:
        with translated(QueueUnavailable):
            payload = await self._client.hget(f"{_dead(queue)}.msgs", letter_id)
            message = _message(payload)
            if not message:
                return 0
            keys, arguments = [_dead(queue), f"{NAMESPACE}:{queue.value}"], [letter_id, _as_new(message)]
            return int(await self._retry(keys=keys, args=arguments))

    async def _of(self, queue: Queue) -> list[DeadLetter]:
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.zrange(_dead(queue), 0, -1, withscores=True)
            pipeline.hgetall(f"{_dead(queue)}.msgs")
            pipeline.hgetall(f"{_dead(queue)}.errors")
            ids, payloads, errors = await pipeline.execute()
        return [
            _letter(queue, id_.decode(), died_ms, payloads.get(id_), errors.get(id_, b"").decode())
            for id_, died_ms in ids
        ]


def _letter(queue: Queue, id_: str, died_ms: float, payload: bytes | None, error: str) -> DeadLetter:
    message = _message(payload)
    given, options = message.get("kwargs", {}), message.get("options", {})
    return DeadLetter(
        id=id_,
        queue=queue,
        died_at=datetime.fromtimestamp(died_ms / 1000, UTC),
        error=error,
        user_id=_uuid(given.get("user_id")),
        request_id=given.get("request_id"),
        attempts=1 + int(options.get("retries", 0)),
    )


def _message(payload: bytes | None) -> Mapping[str, Any]:
    """Empty for what is none."""
    try:
        message = msgspec.json.decode(payload or b"", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
    return message if isinstance(message.get("kwargs"), dict) and isinstance(message.get("options"), dict) else {}


def _as_new(message: Mapping[str, Any]) -> bytes:
    options = {name: value for name, value in message["options"].items() if name == "redis_message_id"}
    return msgspec.json.encode({**message, "options": options})


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _dead(queue: Queue) -> str:
    return f"{NAMESPACE}:{queue.value}.XQ"
