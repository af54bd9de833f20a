"""What commands are made of: the servers they use, and the use cases over them."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from core.application.continue_run import ContinueRun
from core.application.describe_service import DescribeService
from core.application.follow_run import FollowRun
from core.application.measure_service import MeasureService
from core.application.ports.active_users import ActiveUsers
from core.application.ports.feed_cache import FeedCache
from core.application.ports.job_queue import JobQueue
from core.application.ports.model_registry import ModelRegistry
from core.application.ports.queue_levels import QueueLevels
from core.application.ports.run_ledger import RunLedger
from core.application.promote_model import PromoteModel
from core.application.prune_models import PruneModels
from core.application.purge_expired import PurgeExpired
from core.application.roll_back import RollBack
from core.application.start_run import StartRun
from core.domain.errors import CacheUnavailable, QueueUnavailable, Unavailable
from core.domain.job import Queue
from core.infrastructure.absent_redis import AbsentFeedCache, AbsentJobQueue, AbsentQueueLevels
from core.infrastructure.artefact_stores import artefact_store
from core.infrastructure.data_directory import DataDirectory
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.embedded_server import EmbeddedServer
from core.infrastructure.embedded_valkey import EmbeddedValkey
from core.infrastructure.postgres_active_users import PostgresActiveUsers
from core.infrastructure.postgres_due_users import PostgresDueUsers
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_idle_feeds import PostgresIdleFeeds
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_pool import Pool, borrowed, open_pool
from core.infrastructure.postgres_popular_posts import PostgresPopularPosts
from core.infrastructure.postgres_run_ledger import PostgresRunLedger
from core.infrastructure.postgres_schedule_book import PostgresScheduleBook
from core.infrastructure.postgres_service_facts import PostgresServiceFacts
from core.infrastructure.postgres_stored_feeds import PostgresStoredFeeds
from core.infrastructure.postgres_ticket_store import PostgresTicketStore
from core.infrastructure.process_supervisor import ChildProcess, ProcessSupervisor
from core.infrastructure.redis_client import RedisClient, open_redis, translated
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_job_queue import RedisJobQueue
from core.infrastructure.redis_queue_levels import RedisQueueLevels
from core.infrastructure.server_watch import kept_running
from core.infrastructure.system_clock import SystemClock
from core.settings import Settings, load_settings

BROKER_TIMEOUT_SECONDS = 5.0
NO_HURRY_SECONDS = 600.0  # nobody waits for an answer of the API here
# Few, as a command runs beside the service, and the smallest plans admit twenty of each.
DATABASE_CONNECTIONS, REDIS_CONNECTIONS = 2, 1


@asynccontextmanager
async def open_platform(data_dir: Path, *, with_redis: bool = False) -> AsyncIterator[Settings]:
    """Settings whose servers are there: the environment's, those of `up` in the data dir, or some for the duration."""
    settings = settings_for(data_dir)
    if settings.database_url and (settings.redis_url or not with_redis):
        yield settings
        return
    directory = DataDirectory(data_dir)
    with directory.held():
        async with AsyncExitStack() as stack:
            yield await start_missing_servers(stack, settings, directory.path, with_redis=with_redis)


def settings_for(data_dir: Path) -> Settings:
    """Settings of the environment, and below them what the data dir says."""
    found = {"MODEL_PATH": str(data_dir.absolute() / "models")}
    servers = DataDirectory(data_dir).read_servers()
    if servers is not None:
        found |= {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "BROKER_URL": servers.broker_url,
        }
    return load_settings(data_directory=found)


def without_servers(settings: Settings) -> Settings:
    """The same settings as if no server were named."""
    return msgspec.structs.replace(settings, database_url="", redis_url="", broker_url="")


async def start_missing_servers(
    stack: AsyncExitStack, settings: Settings, folder: Path, *, with_redis: bool
) -> Settings:
    """Start those servers that no setting names, and keep them running until the stack closes."""
    servers: list[EmbeddedServer] = []
    if not settings.database_url:
        postgres = await stack.enter_async_context(EmbeddedPostgres(folder / "postgres"))
        settings = msgspec.structs.replace(settings, database_url=postgres.url)
        servers.append(postgres)
    if with_redis and not settings.redis_url:
        valkey = await stack.enter_async_context(EmbeddedValkey(folder / "valkey"))
        settings = msgspec.structs.replace(
            settings, redis_url=valkey.url(0), broker_url=settings.broker_url or valkey.url(1)
        )
        servers.append(valkey)
    for server in servers:
        await stack.enter_async_context(kept_running(server))
    return settings


async def check_reachable(settings: Settings) -> None:
    """Raise Unavailable, naming the variable, when a server that the settings name does not answer."""
    checks = (
        ("DATABASE_URL", settings.database_url, _ask_postgres),
        ("REDIS_URL", settings.redis_url, _ask_cache),
        ("BROKER_URL", settings.broker_url, _ask_broker),
    )
    for name, url, ask in checks:
        try:
            if url:
                await ask(settings)
        except Unavailable as error:
            raise Unavailable(
                f"the server that {name} names does not answer ({error}): start it, or use own servers with --embedded"
            ) from error


async def _ask_postgres(settings: Settings) -> None:
    async with open_pool(settings.database_url, 1) as pool, borrowed(pool) as connection:
        await connection.execute("select 1")


async def _ask_cache(settings: Settings) -> None:
    async with open_redis(settings.redis_url, verify_tls=settings.redis_tls_verify) as client:
        with translated(CacheUnavailable):
            await client.ping()


async def _ask_broker(settings: Settings) -> None:
    async with open_broker(settings) as client:
        with translated(QueueUnavailable):
            await client.ping()


def open_broker(settings: Settings) -> AbstractAsyncContextManager[RedisClient]:
    """The Redis that holds the queue, for somebody who is in no hurry."""
    return open_redis(
        settings.effective_broker_url,
        timeout_seconds=BROKER_TIMEOUT_SECONDS,
        verify_tls=settings.redis_tls_verify,
        variable="BROKER_URL",
        pool_size=REDIS_CONNECTIONS,
    )


@dataclass(frozen=True, slots=True)
class Bulk:
    """Bulk generation, and what it goes by."""

    start: StartRun
    go_on: ContinueRun
    follow: FollowRun
    ledger: RunLedger
    active_users: ActiveUsers
    queue: JobQueue


@asynccontextmanager
async def open_bulk(settings: Settings) -> AsyncIterator[Bulk]:
    """Open what `enqueue` needs."""
    async with (
        open_pool(settings.database_url, DATABASE_CONNECTIONS, command_timeout_seconds=NO_HURRY_SECONDS) as pool,
        open_broker(settings) as broker,
    ):
        ledger, active_users, queue = PostgresRunLedger(pool), PostgresActiveUsers(pool), RedisJobQueue(broker)
        # Nothing is written down for a queue that cannot be reached.
        with translated(QueueUnavailable):
            await broker.ping()
        yield Bulk(
            StartRun(
                ledger, model_registry(pool, settings), popular_posts(pool, settings), settings.popular_refresh_seconds
            ),
            ContinueRun(ledger, active_users, queue),
            FollowRun(ledger),
            ledger,
            active_users,
            queue,
        )


@asynccontextmanager
async def open_ledger(settings: Settings) -> AsyncIterator[RunLedger]:
    """Open what `runs` needs."""
    async with open_pool(settings.database_url, command_timeout_seconds=NO_HURRY_SECONDS) as pool:
        yield PostgresRunLedger(pool)


@asynccontextmanager
async def open_description(settings: Settings) -> AsyncIterator[DescribeService]:
    """Open what `status` needs; without Redis it tells what Postgres knows."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            open_pool(settings.database_url, DATABASE_CONNECTIONS, command_timeout_seconds=NO_HURRY_SECONDS)
        )
        queue = await _queue(stack, settings)
        yield DescribeService(
            facts=PostgresServiceFacts(pool),
            registry=model_registry(pool, settings),
            archive=PostgresFeedArchive(pool),
            queue=queue,
            clock=SystemClock(),
            schedule=PostgresScheduleBook(pool),
            due_users=PostgresDueUsers(pool),
        )


@asynccontextmanager
async def open_measurement(settings: Settings) -> AsyncIterator[MeasureService]:
    """Open what `status --check` needs; without Redis the queues cannot be measured."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(settings.database_url, DATABASE_CONNECTIONS))
        yield MeasureService(
            queue_levels=await _queue_levels(stack, settings),
            registry=model_registry(pool, settings),
            popular=popular_posts(pool, settings),
            stored_feeds=PostgresStoredFeeds(pool),
            clock=SystemClock(),
            due_users=PostgresDueUsers(pool),
        )


@dataclass(frozen=True, slots=True)
class Models:
    """The registry, and what can be done with its models."""

    registry: ModelRegistry
    promote: PromoteModel
    roll_back: RollBack
    prune: PruneModels


@asynccontextmanager
async def open_models(settings: Settings) -> AsyncIterator[Models]:
    """Open what `models` needs; without Redis a rollback leaves the feeds to be renewed as they are asked for."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            open_pool(settings.database_url, DATABASE_CONNECTIONS, command_timeout_seconds=NO_HURRY_SECONDS)
        )
        registry = model_registry(pool, settings)
        artefacts = artefact_store(pool, settings.artefact_url, settings.model_path)
        queue = await _queue(stack, settings)
        yield Models(
            registry,
            PromoteModel(registry, artefacts),
            RollBack(registry, artefacts, PostgresFeedArchive(pool), queue),
            PruneModels(registry, artefacts),
        )


@asynccontextmanager
async def open_purge(settings: Settings) -> AsyncIterator[PurgeExpired]:
    """Open what `purge` needs; without Redis its feeds go by themselves."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            open_pool(settings.database_url, DATABASE_CONNECTIONS, command_timeout_seconds=NO_HURRY_SECONDS)
        )
        artefacts = artefact_store(pool, settings.artefact_url, settings.model_path)
        yield PurgeExpired(
            feeds=PostgresIdleFeeds(pool),
            cache=await _cache(stack, settings),
            tickets=PostgresTicketStore(pool),
            ledger=PostgresRunLedger(pool),
            prune=PruneModels(model_registry(pool, settings), artefacts),
            clock=SystemClock(),
            active_days=settings.active_days,
            expired_for=timedelta(days=settings.purge_after_days),
            models_kept=settings.models_kept,
        )


async def _cache(stack: AsyncExitStack, settings: Settings) -> FeedCache:
    if not settings.redis_url:
        return AbsentFeedCache()
    client = open_redis(
        settings.redis_url,
        timeout_seconds=BROKER_TIMEOUT_SECONDS,
        verify_tls=settings.redis_tls_verify,
        pool_size=REDIS_CONNECTIONS,
    )
    return RedisFeedCache(await stack.enter_async_context(client))


async def _queue_levels(stack: AsyncExitStack, settings: Settings) -> QueueLevels:
    if not settings.effective_broker_url:
        return AbsentQueueLevels()
    return RedisQueueLevels(await stack.enter_async_context(open_broker(settings)))


async def _queue(stack: AsyncExitStack, settings: Settings) -> JobQueue:
    if not settings.effective_broker_url:
        return AbsentJobQueue()
    return RedisJobQueue(await stack.enter_async_context(open_broker(settings)))


@asynccontextmanager
async def run_worker(settings: Settings, queue: Queue, log_folder: Path) -> AsyncIterator[ProcessSupervisor]:
    """Keep a worker for the queue running inside the block; its output goes to a file in the folder."""
    supervisor = ProcessSupervisor(log_folder, write_lines=_show_nothing)
    await supervisor.start(worker_child(settings, queue))
    try:
        yield supervisor
    finally:
        await supervisor.stop()


def popular_posts(pool: Pool, settings: Settings) -> PostgresPopularPosts:
    """The popular feed as the settings want it counted."""
    return PostgresPopularPosts(
        pool, settings.interaction_weights, settings.popular_half_life_hours, settings.popular_window_days
    )


def model_registry(pool: Pool, settings: Settings) -> PostgresModelRegistry:
    """The registry with the first model's number and the pin, if there is one."""
    return PostgresModelRegistry(pool, settings.first_model_number, settings.pinned_model_number)


def _show_nothing(name: str, lines: Sequence[str]) -> None:
    """A line for every user would bury the progress bar."""


def worker_child(settings: Settings, queue: Queue, processes: int | None = None) -> ChildProcess:
    """The worker process for a queue, with the servers that the settings name."""
    name = "worker" if queue is Queue.FEEDS else "worker-bulk"
    nice = () if queue is Queue.FEEDS else ("nice", "-n", "10")
    count = ("--processes", str(processes)) if processes else ()
    command = (*nice, sys.executable, "-m", "worker", "--queue", queue.value, *count)
    # Longer than the worker's own drain: it has its pools to close after that.
    return ChildProcess(name, command, env=server_environment(settings), stop_timeout_seconds=28.0)


def server_environment(settings: Settings) -> dict[str, str]:
    """The environment variables by which a child process finds the same servers and models."""
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "BROKER_URL": settings.effective_broker_url,
        "MODEL_PATH": str(settings.model_path),
    }
