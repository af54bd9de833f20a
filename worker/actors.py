"""The actors: each hands its message to one use case."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from core.domain.job import Queue
from core.infrastructure.redis_job_queue import ACTOR_NAMES
from worker.job import run_job
from worker.lifespan import Lifespan

# All set: Dramatiq's defaults suit mail that is sent at night.
MAX_RETRIES = 3
MIN_BACKOFF_MILLISECONDS, MAX_BACKOFF_MILLISECONDS = 500, 10_000
TIME_LIMIT_MILLISECONDS = 60_000
# Nobody waits longer for a feed; whoever still has a ticket begins the job anew by asking.
MAX_AGE_MILLISECONDS = {Queue.FEEDS: 600_000, Queue.FEEDS_BULK: 86_400_000}


def declare_actors(broker: RedisBroker, queue: Queue, lifespan: Lifespan) -> None:
    """Declare the queue's actor: a Dramatiq actor belongs to one queue, and a process to one of the two."""

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
    async def generate_feed(user_id: str, request_id: str) -> str:
        return await run_job(lifespan.parts.generate_feed, user_id, request_id)
