"""What a web process is made of: opened when it starts, closed in the opposite order when it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from core.application.cut_page import CutPage
from core.application.find_feed import FindFeed
from core.application.get_feed import GetFeed
from core.application.get_job import GetJob
from core.application.get_post import GetPost
from core.application.hide_post import HidePost
from core.application.measure_service import MeasureService
from core.application.offer_popular import OfferPopular
from core.application.ports.cached_users import CachedUsers
from core.application.ports.clock import Clock
from core.application.ports.feed_cache import FeedCache
from core.application.ports.job_queue import JobQueue
from core.application.ports.queue_levels import QueueLevels
from core.application.ports.renewal_requests import RenewalRequests
from core.application.ports.seen_posts import SeenPosts
from core.application.ports.visits import Visits
from core.application.reach_sequence import ReachSequence
from core.application.recommend_posts import RecommendPosts
from core.application.record_interactions import RecordInteractions
from core.application.waiting_room import WaitingRoom
from core.domain.errors import CacheUnavailable, ConfigurationError
from core.infrastructure.absent_redis import (
    AbsentCachedUsers,
    AbsentFeedCache,
    AbsentFeedSignals,
    AbsentJobQueue,
    AbsentQueueLevels,
    AbsentRenewalRequests,
    AbsentSeenPosts,
    AbsentVisits,
)
from core.infrastructure.circuit_breaker import CircuitBreaker
from core.infrastructure.gathered_reads import GatheredReads
from core.infrastructure.guarded_pool import GuardedPool
from core.infrastructure.held_hidden_posts import HeldHiddenPosts
from core.infrastructure.held_popular_feed import HeldPopular
from core.infrastructure.held_stale_models import HeldStaleModels
from core.infrastructure.postgres_due_users import PostgresDueUsers
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_interaction_log import PostgresInteractionLog
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_popular_posts import PostgresPopularPosts
from core.infrastructure.postgres_post_states import PostgresPostStates
from core.infrastructure.postgres_stored_feeds import PostgresStoredFeeds
from core.infrastructure.postgres_ticket_store import PostgresTicketStore
from core.infrastructure.postgres_user_sequences import PostgresUserSequences
from core.infrastructure.redis_cached_users import RedisCachedUsers
from core.infrastructure.redis_client import RedisClient, open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_feed_signals import RedisFeedSignals
from core.infrastructure.redis_job_queue import RedisJobQueue
from core.infrastructure.redis_queue_levels import RedisQueueLevels
from core.infrastructure.redis_renewal_requests import RedisRenewalRequests
from core.infrastructure.redis_seen_posts import RedisSeenPosts
from core.infrastructure.redis_visits import RedisVisits
from core.infrastructure.remembered_tickets import RememberedTickets
from core.infrastructure.system_clock import SystemClock
from core.infrastructure.task_ending import end_task
from core.settings import Settings
from web.degradations import FindDegradations

TELL_WORKERS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the routes call; `stop_waiting` lets every caller who waits for a feed go.

    breakers: one for each server that the process uses, with its state; measure_service: for dashboards.
    """

    recommend_posts: RecommendPosts
    get_feed: GetFeed
    get_job: GetJob
    hide_post: HidePost
    get_post: GetPost
    record_interactions: RecordInteractions
    find_degradations: FindDegradations
    measure_service: MeasureService
    clock: Clock
    stop_waiting: Callable[[], None]
    breakers: tuple[CircuitBreaker, ...] = ()


class _Cached(NamedTuple):
    """What lies in the Redis of feeds."""

    users: CachedUsers
    cache: FeedCache
    seen_posts: SeenPosts
    visits: Visits
    renewals: RenewalRequests
    signals: RedisFeedSignals | AbsentFeedSignals


@dataclass(frozen=True, slots=True)
class _Servers:
    """Postgres and both uses of Redis, or what stands in for them, each behind a breaker."""

    pool: Pool
    cached: _Cached
    queue: JobQueue
    queue_levels: QueueLevels
    breakers: tuple[CircuitBreaker, ...]


@asynccontextmanager
async def open_use_cases(settings: Settings) -> AsyncIterator[UseCases]:
    """Works without Redis, and while any server is away. Raises ConfigurationError for settings that cannot be used."""
    if not settings.database_url:
        raise ConfigurationError("DATABASE_URL is not set: expected postgresql://user:password@host:port/database")
    async with AsyncExitStack() as stack:
        servers = await _open_servers(stack, settings)
        popular = await stack.enter_async_context(HeldPopular(_popular_posts(servers.pool, settings)))
        posts = PostgresPostStates(servers.pool)
        hidden_posts = await stack.enter_async_context(HeldHiddenPosts(posts))
        servers.cached.signals.on_posts_changed(hidden_posts.wake)
        offer_popular = OfferPopular(popular, settings.composition, CutPage(hidden_posts), SystemClock())
        registry = _model_registry(servers.pool, settings)
        stale_models = await stack.enter_async_context(HeldStaleModels(registry, settings.model_poll_seconds))
        archive = PostgresFeedArchive(servers.pool)
        cached = servers.cached
        find_feed = FindFeed(cached.users, cached.cache, cached.seen_posts, archive, stale_models, offer_popular.clock)
        await stack.enter_async_context(_told_to_workers(cached.visits, cached.renewals))
        hide_post = HidePost(posts, hidden_posts, cached.signals)
        yield _use_cases(settings, servers, find_feed, offer_popular, hide_post)


def _use_cases(
    settings: Settings,
    servers: _Servers,
    find_feed: FindFeed,
    offer_popular: OfferPopular,
    hide_post: HidePost,
) -> UseCases:
    clock, cut_page, cached = offer_popular.clock, offer_popular.cut_page, servers.cached
    reach_sequence = ReachSequence(PostgresUserSequences(servers.pool))
    history, tickets = PostgresInteractionHistory(servers.pool), RememberedTickets(PostgresTicketStore(servers.pool))
    waiting_room = WaitingRoom(settings.waiters_at_most)
    return UseCases(
        recommend_posts=RecommendPosts(
            find_feed=find_feed,
            reach_sequence=reach_sequence,
            offer_popular=offer_popular,
            cut_page=cut_page,
            renewals=cached.renewals,
            visits=cached.visits,
            cache=cached.cache,
            history=history,
            queue=servers.queue,
            signals=cached.signals,
            tickets=tickets,
            waiting_room=waiting_room,
            clock=clock,
            ticket_ttl=timedelta(seconds=settings.ticket_ttl_seconds),
            renew_after=timedelta(seconds=settings.renew_read_after_seconds),
        ),
        get_feed=GetFeed(find_feed, offer_popular, cut_page, cached.visits),
        get_job=GetJob(
            find_feed,
            reach_sequence,
            offer_popular,
            cut_page,
            history,
            servers.queue,
            cached.signals,
            tickets,
            waiting_room,
            clock,
        ),
        hide_post=hide_post,
        get_post=GetPost(hide_post.posts),
        record_interactions=RecordInteractions(PostgresInteractionLog(servers.pool), cached.seen_posts),
        find_degradations=FindDegradations(
            cached.cache, servers.queue, _model_registry(servers.pool, settings), _missing(settings)
        ),
        measure_service=MeasureService(
            queue_levels=servers.queue_levels,
            registry=_model_registry(servers.pool, settings),
            popular=_popular_posts(servers.pool, settings),
            stored_feeds=PostgresStoredFeeds(servers.pool),
            clock=clock,
            due_users=PostgresDueUsers(servers.pool),
        ),
        clock=clock,
        stop_waiting=cached.signals.wake_all,
        breakers=servers.breakers,
    )


async def _open_servers(stack: AsyncExitStack, settings: Settings) -> _Servers:
    """Requests would rather do without a server than wait for it; what is read in the background finds it again."""
    postgres, cache, queue = breakers = tuple(CircuitBreaker(server) for server in ("postgres", "redis", "queue"))
    pool = await stack.enter_async_context(open_pool(settings.database_url, settings.database_pool_size))
    guarded_pool = GuardedPool(pool, postgres, settings.database_timeout_seconds)
    await stack.enter_async_context(postgres.probed(guarded_pool.ping))
    return _Servers(
        guarded_pool,
        await _open_cache(stack, settings, cache),
        *await _open_queue(stack, settings, queue),
        breakers,
    )


async def _open_cache(stack: AsyncExitStack, settings: Settings, breaker: CircuitBreaker) -> _Cached:
    if not settings.redis_url:
        return _Cached(
            AbsentCachedUsers(),
            AbsentFeedCache(),
            AbsentSeenPosts(),
            AbsentVisits(),
            AbsentRenewalRequests(),
            AbsentFeedSignals(),
        )
    # One more: the signals keep one to themselves.
    client = await _open_redis(
        stack, settings, settings.redis_url, "REDIS_URL", breaker, pool_size=settings.redis_pool_size + 1
    )
    return _Cached(
        RedisCachedUsers(GatheredReads(client, CacheUnavailable)),
        RedisFeedCache(client, settings.recommendation_batch_size),
        RedisSeenPosts(client),
        RedisVisits(client, settings.visit_recent_seconds),
        RedisRenewalRequests(client),
        await stack.enter_async_context(RedisFeedSignals(client)),
    )


async def _open_queue(
    stack: AsyncExitStack, settings: Settings, breaker: CircuitBreaker
) -> tuple[JobQueue, QueueLevels]:
    if not settings.effective_broker_url:
        return AbsentJobQueue(), AbsentQueueLevels()
    client = await _open_redis(
        stack, settings, settings.effective_broker_url, "BROKER_URL", breaker, pool_size=settings.redis_pool_size
    )
    return RedisJobQueue(client, settings.backlog_at_most), RedisQueueLevels(client)


async def _open_redis(
    stack: AsyncExitStack, settings: Settings, url: str, variable: str, breaker: CircuitBreaker, *, pool_size: int
) -> RedisClient:
    return await stack.enter_async_context(
        open_redis(
            url,
            timeout_seconds=settings.redis_timeout_seconds,
            verify_tls=settings.redis_tls_verify,
            variable=variable,
            breaker=breaker,
            pool_size=pool_size,
        )
    )


def _popular_posts(pool: Pool, settings: Settings) -> PostgresPopularPosts:
    return PostgresPopularPosts(
        pool, settings.interaction_weights, settings.popular_half_life_hours, settings.popular_window_days
    )


def _model_registry(pool: Pool, settings: Settings) -> PostgresModelRegistry:
    return PostgresModelRegistry(pool, settings.first_model_number, settings.pinned_model_number)


def _missing(settings: Settings) -> tuple[str, ...]:
    urls = {"REDIS_URL": settings.redis_url, "BROKER_URL": settings.effective_broker_url}
    return tuple(name for name, url in urls.items() if not url)


@asynccontextmanager
async def _told_to_workers(visits: Visits, renewals: RenewalRequests) -> AsyncIterator[None]:
    """Once a second they hear who was here, and whose feed is to be made anew."""

    async def tell_for_ever() -> None:
        while True:
            await asyncio.sleep(TELL_WORKERS_SECONDS)
            for noted in (visits, renewals):
                with suppress(CacheUnavailable):
                    await noted.flush()

    task = asyncio.create_task(tell_for_ever())
    try:
        yield
    finally:
        await end_task(task)
