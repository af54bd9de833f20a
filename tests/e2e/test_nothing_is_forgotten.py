"""Workers and Redis are killed at random while users act: in the end every user's feed knows of all they did."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import psutil
import pytest

from core.domain.errors import CacheUnavailable
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_visits import RedisVisits
from tests.e2e.conftest import Service, start_service, stop_service

USERS_A_SECOND, USERS_AT_ONCE, POSTS = 10, 30, 60
RENEWED_WITHIN_SECONDS = 90
SETTLE_SECONDS = 0.5
_DAY = 7 << 120
WRITE = "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $2, 'like')"
OURS = "user_id between '07000000-0000-0000-0000-000000000000' and '07000000-0000-0000-0000-ffffffffffff'"
# Who knows of an interaction recommends its post no more: all posts here are those that are recommended to everybody.
LEFT = f"""
    select acted.user_id, newest, built_up_to, built_sequence, sequence, is_due,
        acted.post_ids && feed.post_ids as shown
    from (
        select user_id, max(created_at)::timestamptz as newest, array_agg(post_id) as post_ids
        from user_interaction where {OURS} group by user_id
    ) as acted left join feed using (user_id) left join user_change using (user_id)
"""
RECOMMENDED = f"""
    select array_agg(post_id) from (
        select post_id from feed, unnest(post_ids) as post_id where not {OURS} group by post_id
        order by count(*) desc limit {POSTS}
    ) as common
"""
KNOWN = "select coalesce(array_agg(distinct user_id), '{{}}') from user_interaction where {where}"


@dataclass
class Toll:
    """What was done: rows committed by hand and late, events acknowledged, requests repeated, processes killed."""

    directly: int = 0
    late: int = 0
    rolled_back: int = 0
    posted: int = 0
    retried: int = 0
    killed: Counter[str] = field(default_factory=Counter)


@dataclass
class Storm:
    """Users come, act for some seconds and are gone: whatever is forgotten of them nothing later makes good."""

    service: Service
    posts: Sequence[UUID]
    draw: random.Random
    seconds: float
    toll: Toll = field(default_factory=Toll)
    began: float = field(default_factory=time.monotonic)

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.began + self.seconds

    def someone(self) -> UUID:
        newcomers = int((time.monotonic() - self.began) * USERS_A_SECOND)
        return UUID(int=_DAY | (newcomers + self.draw.randrange(USERS_AT_ONCE)))

    def something(self) -> UUID:
        return self.draw.choice(self.posts)

    async def write(self, database: Any) -> None:
        """One row, one transaction."""
        while self.goes_on:
            await database.execute(WRITE, self.someone(), self.something())
            self.toll.directly += 1
            await asyncio.sleep(self.draw.uniform(0, 0.1))

    async def write_late(self, database: Any) -> None:
        """Rows that are committed after others that were written later, some behind a savepoint, some never."""
        while self.goes_on:
            transaction = database.transaction()
            await transaction.start()
            await database.execute(WRITE, self.someone(), self.something())
            async with database.transaction():
                await database.execute(WRITE, self.someone(), self.something())
            await asyncio.sleep(self.draw.uniform(0, 3))
            if self.draw.random() < 0.2:
                await transaction.rollback()
                self.toll.rolled_back += 2
            else:
                await transaction.commit()
                self.toll.late += 2

    async def post(self, http: httpx.AsyncClient) -> None:
        """Events by HTTP, told again under the same ids until they are acknowledged."""
        while self.goes_on:
            count = self.draw.choice((1, 1, 20))
            events = [self._event() for _ in range(count)]
            body = events[0] if count == 1 else {"events": events}
            while not await self._acknowledged(http, body):
                self.toll.retried += 1
                await asyncio.sleep(0.1)
            self.toll.posted += count
            await asyncio.sleep(self.draw.uniform(0, 0.3))

    async def _acknowledged(self, http: httpx.AsyncClient, body: Any) -> bool:
        with suppress(httpx.HTTPError):
            return (await http.post(f"{self.service.url}/interactions", json=body)).status_code == 202
        return False

    def _event(self) -> dict[str, str]:
        id_ = UUID(int=self.draw.getrandbits(128), version=4)
        ids = {"id": str(id_), "user_id": str(self.someone()), "post_id": str(self.something())}
        return {**ids, "interaction_type": "like"}

    async def kill(self) -> None:
        """A process now and again."""
        kinds = (self.dramatiq, self.worker, self.redis, self.redis, self.web)
        while self.goes_on:
            await asyncio.sleep(self.draw.uniform(0.5, 2))
            kind = self.draw.choice(kinds)
            for process in kind():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    self.toll.killed[kind.__name__] += 1

    def dramatiq(self) -> list[psutil.Process]:
        """A process in which the reader and jobs live."""
        return self._one(lambda command: "worker.main:feeds" in command)

    def worker(self) -> list[psutil.Process]:
        """The one that keeps those running."""
        return self._one(lambda command: command[-2:] == ["--queue", "feeds"])

    def redis(self) -> list[psutil.Process]:
        return self._one(lambda command: "valkey-server" in command[0])

    def web(self) -> list[psutil.Process]:
        return self._one(lambda command: "web" in command)

    def _one(self, is_meant: Callable[[list[str]], bool]) -> list[psutil.Process]:
        return list(self._meant(is_meant))[:1]

    def _meant(self, is_meant: Callable[[list[str]], bool]) -> Iterator[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.service.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess, IndexError):
                    command = process.cmdline()
                    if command and is_meant(command):
                        yield process


@asynccontextmanager
async def visited(redis_url: str, database: Any, visitors: Callable[[], Awaitable[list[UUID]]]) -> AsyncIterator[None]:
    """Inside the block these users are there, as far as Redis is."""

    async def visit() -> None:
        async with open_redis(redis_url, timeout_seconds=1) as client:
            visits = RedisVisits(client)
            while True:
                for user_id in await visitors():
                    visits.note(user_id)
                with suppress(CacheUnavailable):
                    await visits.flush()
                await asyncio.sleep(SETTLE_SECONDS)

    task = asyncio.create_task(visit())
    yield
    task.cancel()


async def weather(storm: Storm, database_url: str) -> None:
    """Writers, callers and whoever kills, for as long as the storm goes on."""
    connections = [await asyncpg.connect(database_url) for _ in range(4)]
    async with httpx.AsyncClient(timeout=5) as http, asyncio.TaskGroup() as group:
        for connection in connections[:2]:
            group.create_task(storm.write(connection))
        for connection in connections[2:]:
            group.create_task(storm.write_late(connection))
        for _ in range(2):
            group.create_task(storm.post(http))
        group.create_task(storm.kill())
    for connection in connections:
        await connection.close()


async def forgotten(database: Any) -> list[Any]:
    """Users of whom the stored feed does not know the latest."""
    return [
        row
        for row in await database.fetch(LEFT)
        if (row["is_due"], row["shown"]) != (False, False)
        or (row["built_sequence"], row["built_up_to"]) != (row["sequence"], row["newest"])
    ]


async def outlast(service: Service, seconds: float, seed: int) -> Toll:
    """The storm, and the calm in which everything due is made good, while all users are there."""
    facts = service.status()
    database = await asyncpg.connect(facts["database_url"])
    storm = Storm(service, await database.fetchval(RECOMMENDED), random.Random(seed), seconds)

    async def visitors() -> list[UUID]:
        """Half of them during the storm, all of them after it."""
        where = f"{OURS} and ({not storm.goes_on} or ascii(right(user_id::text, 1)) % 2 = 0)"
        return list(await database.fetchval(KNOWN.format(where=where)))

    looking = await asyncpg.connect(facts["database_url"])
    async with visited(facts["redis_url"], database, visitors):
        await weather(storm, facts["database_url"])
        deadline = time.monotonic() + RENEWED_WITHIN_SECONDS
        while left := await forgotten(looking):
            assert time.monotonic() < deadline, f"{len(left)} users are forgotten: {[dict(row) for row in left[:3]]}"
            await asyncio.sleep(SETTLE_SECONDS)
    counted = await looking.fetchval(f"select count(*) from user_interaction where {OURS}")
    assert counted == storm.toll.directly + storm.toll.late + storm.toll.posted
    await database.close()
    await looking.close()
    return storm.toll


@pytest.mark.parametrize("seconds", [10, pytest.param(120, marks=pytest.mark.slow)])
def test_whoever_is_killed_every_feed_knows_of_all_that_its_user_did(tmp_path: Path, seconds: float) -> None:
    service = start_service(tmp_path)
    try:
        toll = asyncio.run(outlast(service, seconds, seed=8))
        logging.getLogger(__name__).warning("%s", toll)
        assert min(toll.directly, toll.late, toll.posted) > 0
        assert sum(toll.killed.values()) > 2
    finally:
        stop_service(service)
