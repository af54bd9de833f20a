"""The actors: each hands its message to one use case."""

import time
from uuid import UUID

import dramatiq
import structlog
from dramatiq.brokers.redis import RedisBroker
from structlog.contextvars import bound_contextvars

from core.domain.job import Queue
from core.infrastructure.redis_job_queue import ACTOR_NAMES
from worker.lifespan import Lifespan

# Milliseconds, all set: the defaults suit mail that is sent at night.
MIN_BACKOFF, MAX_BACKOFF, TIME_LIMIT = 500, 10_000, 60_000
MAX_RETRIES = 3
MAX_AGE = {Queue.FEEDS: 3_600_000, Queue.FEEDS_BULK: 86_400_000}


def declare_actors(broker: RedisBroker, lifespan: Lifespan) -> None:
    """Declare one actor a queue: a Dramatiq actor belongs to one."""

    async def generate_feed(user_id: str, request_id: str) -> None:
        await generate_and_log(lifespan, UUID(user_id), request_id)

    for queue in Queue:
        declare = dramatiq.actor(
            actor_name=ACTOR_NAMES[queue],
            queue_name=queue.value,
            broker=broker,
            max_retries=MAX_RETRIES,
            max_age=MAX_AGE[queue],
            min_backoff=MIN_BACKOFF,
            max_backoff=MAX_BACKOFF,
            time_limit=TIME_LIMIT,
        )
        declare(generate_feed)


async def generate_and_log(lifespan: Lifespan, user_id: UUID, request_id: str) -> None:
    """One job, one line: whose feed, for which request, by which model, in how long."""
    started = time.perf_counter()
    with bound_contextvars(user_id=str(user_id), request_id=request_id):
        feed = await lifespan.use_cases.generate_feed(user_id)
        structlog.get_logger().info(
            "feed_generated" if feed is not None else "no_history",
            model_version=feed.model_version if feed is not None else None,
            posts=len(feed.recommendations) if feed is not None else 0,
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )
