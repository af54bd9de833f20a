"""The smallest plans of platforms admit twenty connections to each server: all processes together take eighteen."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import redis.asyncio as redis

from core.infrastructure.task_ending import end_task
from tests.e2e.conftest import Service

AT_MOST = 18
CALLERS, ROUNDS = 50, 4
LOOK_EVERY_SECONDS = 0.02
OURS = "tests"  # the name of connections that are not counted
_USERS = "select user_id from user_interaction group by user_id having count(distinct post_id) >= 5 limit $1"
_COUNT = "select count(*) from pg_stat_activity where backend_type = 'client backend' and application_name <> $1"


@dataclass
class Servers:
    """The test's own connections, and the most others that were seen at once."""

    database: Any
    cache: Any
    most_of_postgres: int = 0
    most_of_redis: int = 0

    async def look(self) -> None:
        clients = [client for client in await self.cache.client_list() if client["name"] != OURS]
        self.most_of_redis = max(self.most_of_redis, len(clients))
        self.most_of_postgres = max(self.most_of_postgres, await self.database.fetchval(_COUNT, OURS))

    async def look_for_ever(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_SECONDS)


@asynccontextmanager
async def connected(database_url: str, redis_url: str) -> AsyncIterator[Servers]:
    database = await asyncpg.connect(database_url, ssl=False, server_settings={"application_name": OURS})
    async with redis.Redis.from_url(redis_url, client_name=OURS, single_connection_client=True) as cache:
        yield Servers(database, cache)
    await database.close()


@asynccontextmanager
async def watched(database_url: str, redis_url: str) -> AsyncIterator[Servers]:
    """Counts for as long as the block runs."""
    async with connected(database_url, redis_url) as servers:
        looking = asyncio.create_task(servers.look_for_ever())
        yield servers
        await end_task(looking)


async def ask_for_missing_feeds(service: Service, servers: Servers, users: Sequence[UUID]) -> set[int]:
    """Rounds of many callers at once for feeds that were just taken away; the statuses that they got."""
    statuses: set[int] = set()
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=CALLERS)) as http:
        for _ in range(ROUNDS):
            await servers.cache.delete(*(f"feed:{user}" for user in users))
            await servers.database.execute("delete from feed")
            answers = await asyncio.gather(*(ask(http, service, user) for user in users))
            statuses |= {answer.status_code for answer in answers}
    return statuses


async def ask(http: httpx.AsyncClient, service: Service, user: UUID) -> httpx.Response:
    return await http.post(f"{service.url}/recommendations/generate", json={"user_id": str(user)})


async def run_tasks_of_the_clock(service: Service) -> list[int]:
    """As the clock does, one after the other; their exit codes."""
    tasks = (["train"], ["enqueue", "--all"], ["purge"])
    return [(await asyncio.to_thread(service.command, *words)).returncode for words in tasks]


async def test_all_processes_together_hold_at_most_eighteen_connections_to_each_server(service: Service) -> None:
    facts = service.status()
    urls = facts["database_url"], facts["redis_url"]
    async with watched(*urls) as seen, connected(*urls) as servers:
        users = [row["user_id"] for row in await servers.database.fetch(_USERS, CALLERS)]
        tasks = asyncio.create_task(run_tasks_of_the_clock(service))
        statuses = await ask_for_missing_feeds(service, servers, users)
        while not tasks.done():
            statuses |= await ask_for_missing_feeds(service, servers, users)

    assert statuses <= {200, 202}
    assert await tasks == [0, 0, 0]
    assert 8 < seen.most_of_postgres <= AT_MOST
    assert 8 < seen.most_of_redis <= AT_MOST
