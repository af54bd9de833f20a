"""What a worker process is made of, opened in order and closed in reverse."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import structlog

from core.application.fail_job import FailJob
from core.application.generate_feed import GenerateFeed
from core.domain.composition import ColdStartStrategy, Composition
from core.domain.errors import ThreadsMlError
from core.domain.job import Queue
from core.domain.model import version_number
from core.infrastructure.held_popular_feed import HeldPopular
from core.infrastructure.in_memory_recommender import InMemoryRecommender
from core.infrastructure.postgres_artefact_store import PostgresArtefactStore
from core.infrastructure.postgres_external_ids import PostgresExternalIds
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.postgres_popular_posts import PostgresPopularPosts
from core.infrastructure.postgres_ticket_store import PostgresTicketStore
from core.infrastructure.redis_client import RedisClient, open_redis, warn_of_eviction
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_job_queue import RedisJobQueue
from core.infrastructure.redis_worker_presence import RedisWorkerPresence
from core.infrastructure.system_clock import SystemClock
from core.settings import Settings

BEAT_SECONDS = 3.0
LOOK_AT_POPULAR_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WorkerUseCases:
    """What the actors call."""

    generate_feed: GenerateFeed
    fail_job: FailJob


@asynccontextmanager
async def open_worker(settings: Settings, queue: Queue) -> AsyncIterator[WorkerUseCases]:
    """Raises ArchiveUnavailable or QueueUnavailable when a server cannot be reached: such a worker is of no use."""
    async with (
        open_pool(settings.database_url, settings.database_pool_size) as pool,
        _redis(settings.redis_url, "REDIS_URL", settings) as cache,
        _redis(settings.effective_broker_url, "BROKER_URL", settings) as broker,
    ):
        popular = PostgresPopularPosts(
            pool, settings.interaction_weights, settings.popular_half_life_hours, settings.popular_window_days
        )
        pin = version_number(settings.model_pin) if settings.model_pin else None
        registry = PostgresModelRegistry(pool, version_number(settings.model_version), pin)
        artefacts = PostgresArtefactStore(pool, settings.model_path)
        presence = RedisWorkerPresence(broker, f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}")
        job_queue = RedisJobQueue(broker)
        await warn_of_eviction(broker)
        async with (
            InMemoryRecommender(registry, artefacts, settings.model_poll_seconds) as recommender,
            HeldPopular(popular) as held_popular,
            _repeated(LOOK_AT_POPULAR_SECONDS, lambda: popular.refresh_if_older_than(settings.popular_refresh_seconds)),
            _present(presence, queue),
        ):
            generate_feed = GenerateFeed(
                history=PostgresInteractionHistory(pool),
                recommender=recommender,
                popular=held_popular,
                external_ids=PostgresExternalIds(pool),
                archive=PostgresFeedArchive(pool),
                cache=RedisFeedCache(cache),
                queue=job_queue,
                clock=SystemClock(),
                composition=_composition(settings),
                valid_for=timedelta(hours=settings.recommendation_max_age_hours),
            )
            yield WorkerUseCases(generate_feed, FailJob(PostgresTicketStore(pool), job_queue))


def _redis(url: str, variable: str, settings: Settings) -> AbstractAsyncContextManager[RedisClient]:
    return open_redis(
        url, timeout_seconds=settings.redis_timeout_seconds, verify_tls=settings.redis_tls_verify, variable=variable
    )


def _composition(settings: Settings) -> Composition:
    return Composition(
        depth=settings.feed_depth,
        min_score=settings.recommendation_min_score,
        cold_start_threshold=settings.cold_start_min_interactions,
        cold_start_strategy=ColdStartStrategy(settings.cold_start_strategy),
    )


@asynccontextmanager
async def _present(presence: RedisWorkerPresence, queue: Queue) -> AsyncIterator[None]:
    """Give signs of life inside the block."""
    await presence.beat(queue)
    try:
        async with _repeated(BEAT_SECONDS, lambda: presence.beat(queue)):
            yield
    finally:
        await _logged(lambda: presence.leave(queue))


@asynccontextmanager
async def _repeated(every_seconds: float, work: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Do the work now and again, in the background; what fails is logged and tried again next time."""

    async def repeat() -> None:
        while True:
            await _logged(work)
            await asyncio.sleep(every_seconds)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _logged(work: Callable[[], Awaitable[object]]) -> None:
    try:
        await work()
    except ThreadsMlError as error:
        structlog.get_logger().warning("housekeeping_failed", error=str(error))
