"""The way to the workers: Dramatiq's wire format, written without Dramatiq."""

import time
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

import msgspec

from core.domain.backlog import Backlog
from core.domain.errors import QueueUnavailable
from core.domain.feed import FeedOrder
from core.domain.job import ChunkMessage, GenerateMessage, JobProgress, JobState, Queue, Submission
from core.infrastructure.redis_client import RedisClient, translated
from core.infrastructure.redis_worker_presence import presence_key

# The names under which worker/actors.py declares them: a Dramatiq actor belongs to one queue.
ACTOR_NAMES = {Queue.FEEDS: "generate_feed", Queue.FEEDS_BULK: "generate_feed_in_bulk"}
NAMESPACE = "dramatiq"
LEASE_SECONDS = 120
BACKLOG_AT_MOST = 10_000
CHUNK_ACTOR_NAME = "generate_chunk"
MESSAGES_A_ROUND_TRIP = 2000
_FINISHED_KEY = "jobs-finished"
# How long a lease remembers the feed its job ended with: who looked before that was shown has submitted by then.
REMEMBERED_MILLISECONDS = 2000
_DONE = "done:"
# How far back the recent speed looks.
SPEED_SECONDS = 10

# Finished jobs are counted in a hash, by the second of the server's clock in which they ended.
_COUNT_LATELY = f"""
local function lately(key)
    local now, finished, seconds = tonumber(redis.call('TIME')[1]), 0, 0
    local counts = redis.call('HGETALL', key)
    for place = 1, #counts, 2 do
        if tonumber(counts[place]) > now - {SPEED_SECONDS} then
            finished, seconds = finished + tonumber(counts[place + 1]), seconds + 1
        end
    end
    return finished, seconds
end
"""
_SUBMIT = f"""{_COUNT_LATELY}
local enqueued, refused = 0, 0
local lease = redis.call('GET', KEYS[1])
local is_done = lease and string.sub(lease, 1, {len(_DONE)}) == '{_DONE}'
if lease and not (is_done and (ARGV[5] == '' or string.sub(lease, {len(_DONE) + 1}) <= ARGV[5])) then
    enqueued = 0
elseif redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[4]) then
    refused = 1
else
    redis.call('SET', KEYS[1], 'queued', 'EX', ARGV[3])
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
    redis.call('RPUSH', KEYS[2], ARGV[1])
    enqueued = 1
end
local alive = redis.call('ZCOUNT', KEYS[4], '(' .. redis.call('TIME')[1], '+inf')
return {{enqueued, alive, refused, redis.call('LLEN', KEYS[2]), lately(KEYS[5])}}
"""
_PROGRESS = f"""{_COUNT_LATELY}
return {{redis.call('GET', KEYS[1]), redis.call('LLEN', KEYS[2]), lately(KEYS[3])}}
"""
# A job without a lease is one of those for whom nobody waits. What is old is dropped once a second at the most.
_END = f"""
local lease = redis.call('GET', KEYS[1])
if not lease or string.sub(lease, 1, {len(_DONE)}) == '{_DONE}' then return end
if ARGV[1] == '' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], '{_DONE}' .. ARGV[1], 'PX', {REMEMBERED_MILLISECONDS})
end
local now = tonumber(redis.call('TIME')[1])
if redis.call('HINCRBY', KEYS[2], now, 1) > 1 then return end
for _, second in ipairs(redis.call('HKEYS', KEYS[2])) do
    if tonumber(second) <= now - {SPEED_SECONDS} then redis.call('HDEL', KEYS[2], second) end
end
redis.call('EXPIRE', KEYS[2], {SPEED_SECONDS})
"""
_ALIVE = "return redis.call('ZCOUNT', KEYS[1], '(' .. redis.call('TIME')[1], '+inf')"


class RedisJobQueue:
    """`HSET queue.msgs id payload` and `RPUSH queue id`: what Dramatiq documents for producers in other languages."""

    def __init__(self, client: RedisClient, backlog_at_most: int = BACKLOG_AT_MOST) -> None:
        """backlog_at_most: messages that may wait in `feeds`."""
        self._client = client
        self._backlog_at_most = backlog_at_most
        self._submit = client.register_script(_SUBMIT)
        self._alive = client.register_script(_ALIVE)
        self._progress = client.register_script(_PROGRESS)
        self._end = client.register_script(_END)

    async def submit(self, message: GenerateMessage, known: FeedOrder | None = None) -> Submission:
        """Enqueue under the user's lease, in one script: there is no moment in which only one of the two is there."""
        message_id, payload = _encoded(message, Queue.FEEDS)
        keys = [_lease_key(message.user_id), *_queue_keys(Queue.FEEDS), presence_key(Queue.FEEDS), _FINISHED_KEY]
        with translated(QueueUnavailable):
            arguments = [message_id, payload, LEASE_SECONDS, self._backlog_at_most, known.digits if known else ""]
            enqueued, alive, refused, *backlog = await self._submit(keys=keys, args=arguments)
        return Submission(bool(enqueued), int(alive), bool(refused), Backlog(*map(int, backlog)))

    async def submit_bulk(self, messages: Sequence[GenerateMessage]) -> None:
        """Enqueue without leases, thousands in a round trip."""
        await self._submit_all([_encoded(message, Queue.FEEDS_BULK) for message in messages])

    async def submit_chunks(self, messages: Sequence[ChunkMessage]) -> None:
        """The same."""
        await self._submit_all([_encoded_chunk(message) for message in messages])

    async def _submit_all(self, messages: Sequence[tuple[str, bytes]]) -> None:
        waiting, payloads = _queue_keys(Queue.FEEDS_BULK)
        for start in range(0, len(messages), MESSAGES_A_ROUND_TRIP):
            encoded = dict(messages[start : start + MESSAGES_A_ROUND_TRIP])
            with translated(QueueUnavailable):
                async with self._client.pipeline(transaction=True) as pipeline:
                    pipeline.hset(payloads, mapping=encoded)
                    pipeline.rpush(waiting, *encoded)
                    await pipeline.execute()

    async def mark_running(self, user_id: UUID) -> None:
        """Note it on the lease, whose time goes on."""
        with translated(QueueUnavailable):
            await self._client.set(_lease_key(user_id), JobState.RUNNING.value, xx=True, keepttl=True)

    async def finish(self, user_id: UUID, order: FeedOrder) -> None:
        """Let the lease say for a moment how the job has ended, and count it."""
        await self._ended(user_id, order.digits)

    async def release(self, user_id: UUID) -> None:
        """Drop the lease, and count the job that had it."""
        await self._ended(user_id, "")

    async def _ended(self, user_id: UUID, digits: str) -> None:
        with translated(QueueUnavailable):
            await self._end(keys=[_lease_key(user_id), _FINISHED_KEY], args=[digits])

    async def progress(self, user_id: UUID) -> JobProgress | None:
        """What the lease says, and what waits, in one round trip."""
        waiting, _ = _queue_keys(Queue.FEEDS)
        with translated(QueueUnavailable):
            value, *backlog = await self._progress(keys=[_lease_key(user_id), waiting, _FINISHED_KEY])
        if value is None or value.startswith(_DONE.encode()):
            return None
        return JobProgress(JobState(value.decode()), Backlog(*map(int, backlog)))

    async def depths(self) -> Mapping[Queue, int]:
        """A message's payload stays until it is acknowledged, in the queue itself or in its queue of delayed ones."""
        with translated(QueueUnavailable):
            async with self._client.pipeline(transaction=False) as pipeline:
                for queue in Queue:
                    pipeline.hlen(_payloads_key(queue.value))
                    pipeline.hlen(_payloads_key(f"{queue.value}.DQ"))
                counts = await pipeline.execute()
        return {queue: counts[2 * place] + counts[2 * place + 1] for place, queue in enumerate(Queue)}

    async def workers_alive(self, queue: Queue) -> int:
        """Processes whose last sign of life still counts."""
        with translated(QueueUnavailable):
            return int(await self._alive(keys=[presence_key(queue)]))


def _lease_key(user_id: UUID) -> str:
    return f"job:{user_id}"


def _queue_keys(queue: Queue) -> tuple[str, str]:
    return f"{NAMESPACE}:{queue.value}", _payloads_key(queue.value)


def _payloads_key(queue_name: str) -> str:
    return f"{NAMESPACE}:{queue_name}.msgs"


def _encoded(message: GenerateMessage, queue: Queue) -> tuple[str, bytes]:
    arguments: dict[str, object] = {"user_id": str(message.user_id), "request_id": message.request_id}
    if message.recent_post_ids:
        arguments["recent_post_ids"] = list(map(str, message.recent_post_ids))
    return _dramatiq_message(queue, ACTOR_NAMES[queue], arguments)


def _encoded_chunk(message: ChunkMessage) -> tuple[str, bytes]:
    arguments = {"chunk_id": str(message.chunk_id), "request_id": message.request_id}
    return _dramatiq_message(Queue.FEEDS_BULK, CHUNK_ACTOR_NAME, arguments)


def _dramatiq_message(queue: Queue, actor_name: str, arguments: Mapping[str, object]) -> tuple[str, bytes]:
    """The id under which Redis holds the message, another one at each retry, and the message as Dramatiq reads it."""
    redis_message_id = str(uuid4())
    payload: dict[str, object] = {
        "queue_name": queue.value,
        "actor_name": actor_name,
        "args": [],
        "kwargs": arguments,
        "options": {"redis_message_id": redis_message_id},
        "message_id": str(uuid4()),
        "message_timestamp": int(time.time() * 1000),
    }
    return redis_message_id, msgspec.json.encode(payload)
