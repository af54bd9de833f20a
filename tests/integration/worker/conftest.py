"""The servers of one test, as the web process sees them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from core.domain.job import JobState, Queue
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_ticket_store import PostgresTicketStore
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_job_queue import RedisJobQueue

WITHIN_SECONDS = 30.0
_INTERACT = "insert into user_interaction (user_id, post_id, interaction_type, created_at) values ($1, $2, 'like', $3)"


@dataclass(frozen=True)
class Service:
    """Adapters to look with, and the environment that names the servers to a worker."""

    pool: Pool
    broker: Any
    archive: PostgresFeedArchive
    cache: RedisFeedCache
    queue: RedisJobQueue
    tickets: PostgresTicketStore
    environment: Mapping[str, str]

    async def interact(self, user_id: UUID, *post_ids: UUID) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        await self.pool.executemany(_INTERACT, [(user_id, post_id, now) for post_id in post_ids])

    async def is_released(self, user_id: UUID) -> bool:
        return await self.queue.progress(user_id) is None

    async def is_running(self, user_id: UUID) -> bool:
        progress = await self.queue.progress(user_id)
        return progress is not None and progress.state is JobState.RUNNING

    async def is_nobody_present(self) -> bool:
        return await self.queue.workers_alive(Queue.FEEDS) == 0


async def until(condition: Callable[[], Awaitable[object]], what: str) -> None:
    """Look again and again at a real condition, until a deadline that says what was waited for."""
    deadline = asyncio.get_running_loop().time() + WITHIN_SECONDS
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.02)


@pytest.fixture
async def service(
    migrated_database_url: str, redis_url: str, broker_url: str, tmp_path: Path
) -> AsyncIterator[Service]:
    environment = {
        "DATABASE_URL": migrated_database_url,
        "REDIS_URL": redis_url,
        "BROKER_URL": broker_url,
        "REDIS_TIMEOUT_SECONDS": "5",
        "MODEL_PATH": str(tmp_path / "models"),
    }
    async with (
        open_pool(migrated_database_url) as pool,
        open_redis(redis_url, timeout_seconds=5) as cache,
        open_redis(broker_url, timeout_seconds=5) as broker,
    ):
        yield Service(
            pool,
            broker,
            PostgresFeedArchive(pool),
            RedisFeedCache(cache),
            RedisJobQueue(broker),
            PostgresTicketStore(pool),
            environment,
        )
