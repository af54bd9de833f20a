"""What a worker process is made of, opened in order and closed in reverse."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

import structlog

from core.application.compose_feeds import ComposeFeeds
from core.application.continue_run import ContinueRun
from core.application.fail_job import FailJob
from core.application.follow_interactions import FollowInteractions
from core.application.generate_chunk import GenerateChunk
from core.application.generate_feed import GenerateFeed
from core.application.generate_in_bulk import GenerateInBulk
from core.application.give_way import GiveWay
from core.application.make_provisional_feed import MakeProvisionalFeed
from core.application.ports.freshness_meter import FreshnessMeter
from core.application.ports.popular_posts import PopularPosts
from core.application.ports.worker_presence import WorkerPresence
from core.application.renew_due_feeds import RenewBatch, RenewDueFeeds
from core.application.renew_together import RenewTogether
from core.application.sweep_runs import SweepRuns
from core.application.sweep_tickets import SweepTickets
from core.domain.errors import QueueUnavailable, ThreadsMlError
from core.domain.job import Queue
from core.infrastructure.array_pages import rendered_by_arrays
from core.infrastructure.artefact_stores import artefact_store
from core.infrastructure.circuit_breaker import CircuitBreaker
from core.infrastructure.guarded_pool import GuardedPool
from core.infrastructure.held_hidden_posts import HeldHiddenPosts
from core.infrastructure.held_popular_feed import HeldPopular
from core.infrastructure.in_memory_recommender import InMemoryRecommender
from core.infrastructure.live_tail import Tails, TellLevels, tell_nobody
from core.infrastructure.numba_machine_code import warm_kernels
from core.infrastructure.postgres_active_users import PostgresActiveUsers
from core.infrastructure.postgres_due_users import PostgresDueUsers
from core.infrastructure.postgres_external_ids import PostgresExternalIds
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_history_batches import PostgresHistoryBatches
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_late_interactions import PostgresLateInteractions
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_new_interactions import PostgresNewInteractions
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_popular_posts import PostgresPopularPosts
from core.infrastructure.postgres_post_states import PostgresPostStates
from core.infrastructure.postgres_run_ledger import PostgresRunLedger
from core.infrastructure.postgres_ticket_store import PostgresTicketStore
from core.infrastructure.redis_client import RedisClient, open_redis, translated, warn_of_eviction
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_feed_signals import RedisFeedSignals
from core.infrastructure.redis_job_queue import RedisJobQueue
from core.infrastructure.redis_queue_levels import RedisQueueLevels
from core.infrastructure.redis_renewal_pacing import RedisRenewalPacing
from core.infrastructure.redis_renewal_requests import RedisRenewalRequests
from core.infrastructure.redis_seen_posts import RedisSeenPosts
from core.infrastructure.redis_visits import RedisVisits
from core.infrastructure.redis_worker_presence import RedisWorkerPresence
from core.infrastructure.system_clock import SystemClock
from core.infrastructure.task_ending import end_task
from core.settings import Settings
from worker.job import run_batch

BEAT_SECONDS = 3.0
LOOK_AT_POPULAR_SECONDS = 60.0
SWEEP_SECONDS, LOOK_FOR_LATE_SECONDS = 15.0, 60.0
ANSWER_WITHIN_SECONDS = 2.0  # some milliseconds, as a rule
LEASE_CONNECTIONS = 1  # leases and signs of life are brief; messages have connections of their own


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What the actors call, what is done besides, and the worker's sign of life."""

    generate_feed: GenerateFeed
    generate_in_bulk: GenerateInBulk
    generate_chunk: GenerateChunk
    fail_job: FailJob
    follow_interactions: FollowInteractions
    presence: WorkerPresence


@asynccontextmanager
async def open_worker(
    settings: Settings, queue_name: Queue, meter: FreshnessMeter, tell_tail: TellLevels = tell_nobody
) -> AsyncIterator[WorkerParts]:
    """Raises ArchiveUnavailable or QueueUnavailable when a server cannot be reached: such a worker is of no use."""
    async with (
        open_pool(settings.database_url, _pool_size(settings, queue_name)) as pool,
        _redis(settings.redis_url, "REDIS_URL", settings, settings.redis_pool_size) as cache,
        _redis(settings.effective_broker_url, "BROKER_URL", settings, LEASE_CONNECTIONS) as broker,
    ):
        with translated(QueueUnavailable):
            await broker.ping()
        await warn_of_eviction(broker)
        seconds = await asyncio.to_thread(warm_kernels, settings.model_path)
        structlog.get_logger().info("kernels_ready", seconds=round(seconds, 2))
        popular = _popular_posts(pool, settings)
        async with (
            _recommender(pool, settings, tell_tail) as recommender,
            HeldPopular(popular) as held_popular,
            HeldHiddenPosts(PostgresPostStates(_guarded(pool)), on_change=recommender.block) as hidden_posts,
            _counted_once(popular, held_popular, settings),
            _repeated(LOOK_AT_POPULAR_SECONDS, lambda: _refresh(popular, held_popular, settings)),
        ):
            queue, clock, guarded = RedisJobQueue(broker), SystemClock(), _guarded(pool)
            archive = PostgresFeedArchive(pool, meter)
            external_ids = PostgresExternalIds(pool)
            feed_cache = RedisFeedCache(cache, settings.recommendation_batch_size, rendered_by_arrays)
            generate_feed = GenerateFeed(
                history=PostgresInteractionHistory(guarded),
                recommender=recommender,
                popular=held_popular,
                hidden_posts=hidden_posts,
                external_ids=external_ids,
                archive=archive,
                cache=feed_cache,
                queue=queue,
                clock=clock,
                composition=settings.composition,
                valid_for=timedelta(hours=settings.recommendation_max_age_hours),
                make_provisional_feed=MakeProvisionalFeed(
                    recommender, held_popular, hidden_posts, external_ids, feed_cache, clock, settings.composition
                ),
            )
            fail_job = FailJob(PostgresTicketStore(guarded), queue, RedisFeedSignals(cache))
            ledger, levels = PostgresRunLedger(pool), RedisQueueLevels(broker)
            compose_feeds = ComposeFeeds(
                PostgresHistoryBatches(pool),
                recommender,
                held_popular,
                hidden_posts,
                external_ids,
                clock,
                settings.composition,
                valid_for=timedelta(hours=settings.recommendation_max_age_hours),
            )
            generate_chunk = GenerateChunk(ledger, GiveWay(levels), compose_feeds, feed_cache, queue)
            continue_run = ContinueRun(ledger, PostgresActiveUsers(pool), queue)
            async with (
                _repeated(SWEEP_SECONDS, SweepTickets(PostgresTicketStore(pool), queue, clock)),
                _repeated(SWEEP_SECONDS, SweepRuns(ledger, continue_run, levels)),
                _repeated(LOOK_FOR_LATE_SECONDS, PostgresLateInteractions(pool).mark_forgotten),
            ):
                presence = RedisWorkerPresence(broker, _process_name())
                generate_in_bulk = GenerateInBulk(generate_feed, ledger)
                renew_together = RenewTogether(compose_feeds, archive, feed_cache)
                renew_batch = partial(run_batch, renew_together)
                renew = _renew_due_feeds(pool, cache, queue, renew_batch, settings)
                follow = _follow_interactions(pool, cache, renew, meter, settings)
                yield WorkerParts(generate_feed, generate_in_bulk, generate_chunk, fail_job, follow, presence)


@asynccontextmanager
async def present(presence: WorkerPresence, queue: Queue) -> AsyncIterator[None]:
    """Give signs of life for the queue inside the block."""
    try:
        async with _repeated(BEAT_SECONDS, lambda: presence.beat(queue)):
            yield
    finally:
        await _logged(lambda: presence.leave(queue))


def _redis(url: str, variable: str, settings: Settings, pool_size: int) -> AbstractAsyncContextManager[RedisClient]:
    return open_redis(
        url,
        timeout_seconds=settings.redis_timeout_seconds,
        verify_tls=settings.redis_tls_verify,
        variable=variable,
        pool_size=pool_size,
    )


def _pool_size(settings: Settings, queue: Queue) -> int:
    """Who follows the interactions has a connection besides the pool that listens."""
    return max(1, settings.database_pool_size - (queue is Queue.FEEDS))


def _guarded(pool: Pool) -> GuardedPool:
    """For the first and the last that a job asks of Postgres: while that is silent, no thread but one waits for it."""
    return GuardedPool(pool, CircuitBreaker("postgres"), ANSWER_WITHIN_SECONDS)


def _popular_posts(pool: Pool, settings: Settings) -> PostgresPopularPosts:
    return PostgresPopularPosts(
        pool, settings.interaction_weights, settings.popular_half_life_hours, settings.popular_window_days
    )


def _follow_interactions(
    pool: Pool, cache: RedisClient, renew: RenewDueFeeds, meter: FreshnessMeter, settings: Settings
) -> FollowInteractions:
    # Workers that all wake up at once look once together.
    just_read_seconds = settings.interaction_poll_seconds / 10
    return FollowInteractions(
        PostgresNewInteractions(pool, settings.interaction_overlap_seconds, just_read_seconds),
        RedisSeenPosts(cache),
        renew,
        meter,
    )


def _renew_due_feeds(
    pool: Pool, cache: RedisClient, queue: RedisJobQueue, renew_batch: RenewBatch, settings: Settings
) -> RenewDueFeeds:
    return RenewDueFeeds(
        PostgresDueUsers(pool),
        RedisVisits(cache, settings.visit_recent_seconds),
        RedisRenewalRequests(cache),
        RedisRenewalPacing(cache, settings.renewal_pace_seconds),
        renew_batch,
        queue,
    )


def _recommender(pool: Pool, settings: Settings, tell_tail: TellLevels) -> InMemoryRecommender:
    registry = PostgresModelRegistry(pool, settings.first_model_number, settings.pinned_model_number)
    artefacts = artefact_store(pool, settings.artefact_url, settings.model_path)
    tails = Tails.in_postgres(pool, settings.tail_at_most, settings.interaction_overlap_seconds, tell_tail)
    return InMemoryRecommender(registry, artefacts, settings.model_poll_seconds, tails)


def _process_name() -> str:
    """Unlike any other's, also where every container has the same host name and process id."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


@asynccontextmanager
async def _counted_once(popular: PopularPosts, held: HeldPopular, settings: Settings) -> AsyncIterator[None]:
    """Where popular posts were never counted the first jobs wait for it: their feeds would be empty."""
    if held.current().computed_at is None:
        await _logged(lambda: _refresh(popular, held, settings))
    yield


async def _refresh(popular: PopularPosts, held: HeldPopular, settings: Settings) -> None:
    if await popular.refresh_if_older_than(settings.popular_refresh_seconds):
        await held.reload()


@asynccontextmanager
async def _repeated(every_seconds: float, work: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Do the work now and again, in the background."""

    async def repeat() -> None:
        while True:
            await _logged(work)
            await asyncio.sleep(every_seconds)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        await end_task(task)


async def _logged(work: Callable[[], Awaitable[object]]) -> None:
    """What fails is done again next time, or was a courtesy."""
    try:
        await work()
    except ThreadsMlError as error:
        structlog.get_logger().warning("housekeeping_failed", error=str(error))
    except Exception:
        structlog.get_logger().exception("housekeeping_failed")
