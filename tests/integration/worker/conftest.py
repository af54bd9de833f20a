"""The servers of one test, as the web process sees them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core.domain.job import JobState, Queue
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_pool import Pool
from core.infrastructure.postgres_ticket_store import PostgresTicketStore
from core.infrastructure.redis_feed_cache import RedisFeedCache
from core.infrastructure.redis_job_queue import RedisJobQueue
from tests.integration.conftest import Servers

WITHIN_SECONDS = 120.0  # the first worker on a machine compiles its kernels
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

    async def interact(self, user_id: UUID, *post_ids: UUID, at: datetime | None = None) -> None:
        moment = (at or datetime.now(UTC)).replace(tzinfo=None)
        await self.pool.executemany(_INTERACT, [(user_id, post_id, moment) for post_id in post_ids])

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
async def service(servers: Servers) -> Service:
    return Service(
        servers.pool,
        servers.broker,
        PostgresFeedArchive(servers.pool),
        RedisFeedCache(servers.cache),
        RedisJobQueue(servers.broker),
        PostgresTicketStore(servers.pool),
        servers.environment,
    )
