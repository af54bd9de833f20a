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

from tests.e2e.conftest import Service

AT_MOST = 18
CALLERS, ROUNDS = 50, 4
LOOK_EVERY_SECONDS = 0.02
_COUNT = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
_USERS = "select user_id from user_interaction group by user_id having count(distinct post_id) >= 5 limit $1"


@dataclass
class Servers:
    """Connections of the test's own, which are not counted, and the most others that were seen at once."""

    database: Any
    cache: Any
    own_redis_id: int
    most_of_postgres: int = 0
    most_of_redis: int = 0

    async def look_for_ever(self) -> None:
        while True:
            clients = [client for client in await self.cache.client_list() if int(client["id"]) != self.own_redis_id]
            self.most_of_redis = max(self.most_of_redis, len(clients))
            self.most_of_postgres = max(self.most_of_postgres, await self.database.fetchval(_COUNT))
            await asyncio.sleep(LOOK_EVERY_SECONDS)


@asynccontextmanager
async def watched(database_url: str, redis_url: str) -> AsyncIterator[Servers]:
    """Counts for as long as the block runs."""
    database = await asyncpg.connect(database_url, ssl=False)
    async with redis.Redis.from_url(redis_url, single_connection_client=True) as cache:
        servers = Servers(database, cache, await cache.client_id())
        looking = asyncio.create_task(servers.look_for_ever())
        yield servers
        looking.cancel()
        await asyncio.wait([looking])
    await database.close()


async def ask_for_missing_feeds(service: Service, users: Sequence[UUID], cache_url: str, database_url: str) -> set[int]:
    """Rounds of many callers at once for feeds that were just taken away; the statuses that they got."""
    statuses: set[int] = set()
    database = await asyncpg.connect(database_url, ssl=False)
    async with redis.Redis.from_url(cache_url, single_connection_client=True) as cache, client() as http:
        for _ in range(ROUNDS):
            await cache.delete(*(f"feed:{user}" for user in users))
            await database.execute("delete from feed")
            answers = await asyncio.gather(*(ask(http, service.url, user) for user in users))
            statuses |= {answer.status_code for answer in answers}
    await database.close()
    return statuses


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=CALLERS))


async def ask(http: httpx.AsyncClient, url: str, user: UUID) -> httpx.Response:
    return await http.post(f"{url}/recommendations/generate", json={"user_id": str(user)})


async def test_all_processes_together_hold_at_most_eighteen_connections_to_each_server(service: Service) -> None:
    facts = service.status()
    database_url, redis_url = facts["database_url"], facts["redis_url"]
    # The load's own two connections to each are closed before the clock's tasks are run beside another load.
    async with watched(database_url, redis_url) as servers:
        users = [row["user_id"] for row in await servers.database.fetch(_USERS, CALLERS)]
        tasks = asyncio.create_task(run_tasks_of_the_clock(service))
        statuses = await ask_for_missing_feeds(service, users, redis_url, database_url)
        codes = await tasks

    assert statuses <= {200, 202}
    assert codes == [0, 0, 0]
    assert 8 < servers.most_of_postgres - 1 <= AT_MOST
    assert 8 < servers.most_of_redis - 1 <= AT_MOST


async def run_tasks_of_the_clock(service: Service) -> list[int]:
    """As the clock does, one after the other."""
    return [
        (await asyncio.to_thread(service.command, *words)).returncode
        for words in (["train"], ["enqueue", "--all"], ["purge"])
    ]
