"""The actors: each hands its message to one use case."""

from collections.abc import Sequence

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from core.domain.job import Queue
from core.infrastructure.redis_job_queue import ACTOR_NAMES, CHUNK_ACTOR_NAME
from worker.job import run_chunk_job, run_job
from worker.lifespan import Lifespan

# All set: Dramatiq's defaults suit mail that is sent at night.
MAX_RETRIES = 3
MIN_BACKOFF_MILLISECONDS, MAX_BACKOFF_MILLISECONDS = 500, 10_000
TIME_LIMIT_MILLISECONDS = 60_000
# Nobody waits longer for a feed; whoever still has a ticket begins the job anew by asking.
MAX_AGE_MILLISECONDS = {Queue.FEEDS: 600_000, Queue.FEEDS_BULK: 86_400_000}


def declare_actors(broker: RedisBroker, queue: Queue, lifespan: Lifespan) -> None:
    """Declare the queue's actors: a Dramatiq actor belongs to one queue, and a process to one of the two."""

    @dramatiq.actor(
        broker=broker,
        queue_name=queue.value,
        actor_name=ACTOR_NAMES[queue],
        max_retries=MAX_RETRIES,
        min_backoff=MIN_BACKOFF_MILLISECONDS,
        max_backoff=MAX_BACKOFF_MILLISECONDS,
        max_age=MAX_AGE_MILLISECONDS[queue],
        time_limit=TIME_LIMIT_MILLISECONDS,
    )
    async def generate_feed(user_id: str, request_id: str, recent_post_ids: Sequence[str] = ()) -> str:
        parts = lifespan.parts
        generate = parts.generate_in_bulk if queue is Queue.FEEDS_BULK else parts.generate_feed
        return await run_job(generate, user_id, request_id, recent_post_ids)

    if queue is Queue.FEEDS_BULK:
        _declare_chunks(broker, lifespan)


def _declare_chunks(broker: RedisBroker, lifespan: Lifespan) -> None:
    """What fails in a chunk the run's ledger counts: these retries are for servers that are away."""

    @dramatiq.actor(
        broker=broker,
        queue_name=Queue.FEEDS_BULK.value,
        actor_name=CHUNK_ACTOR_NAME,
        max_retries=MAX_RETRIES,
        min_backoff=MIN_BACKOFF_MILLISECONDS,
        max_backoff=MAX_BACKOFF_MILLISECONDS,
        max_age=MAX_AGE_MILLISECONDS[Queue.FEEDS_BULK],
        time_limit=TIME_LIMIT_MILLISECONDS,
    )
    async def generate_chunk(chunk_id: str, request_id: str) -> str:
        return await run_chunk_job(lifespan.parts.generate_chunk, chunk_id, request_id)
