"""`threads-ml bench outage`: what callers get while one part of a service under load after the other is away."""

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

import asyncpg
import msgspec
import redis.asyncio
import typer
from rich.table import Table

from core.domain.errors import ThreadsMlError
from core.domain.job import Queue
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.embedded_valkey import EmbeddedValkey
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import feed_key
from core.infrastructure.redis_job_queue import RedisJobQueue
from scripts.bench.http_load import NO_ANSWER, Answer, Connection, post_request
from scripts.bench.own_service import HOST, TIMEOUT_SECONDS, OwnService, free_port
from scripts.bench.percentile import percentile
from scripts.bench.silenced import silenced_postgres, silenced_valkey
from scripts.command import command_app, print_table, run_to_end

PAUSE_SECONDS = 0.02
CALM_SECONDS, BACK_WITHIN_SECONDS = 3.0, 60.0
FALLBACK_SHARE = 0.25
READY_WITHIN_SECONDS = 60.0
REFUSED = b"urn:threads-ml:problem:overloaded"
_GRACE_SECONDS = 30.0

app = command_app()


class Asked(StrEnum):
    """For whom, as it is when a row of the table begins."""

    STORED = "stored"
    MISSING = "missing"
    STALE = "stale"
    STRANGER = "stranger"


class Noted(NamedTuple):
    """One answer, and for whom it was."""

    asked: Asked
    answer: Answer

    @property
    def source(self) -> str:
        """What the header Feed-Source says, empty where there is none."""
        for line in self.answer.headers.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower() == "feed-source":
                return value.strip()
        return ""

    @property
    def label(self) -> str:
        """Status, source and mark."""
        mark = "provisional" if b'"provisional":true' in self.answer.body else ""
        return " ".join(filter(None, (str(self.answer.status), self.source, mark)))

    @property
    def is_failure(self) -> bool:
        """No answer, or a 5xx other than the refusal of too many jobs."""
        refused = self.answer.status == 503 and REFUSED in self.answer.body
        return self.answer.status == NO_ANSWER or (self.answer.status >= 500 and not refused)

    @property
    def is_normal(self) -> bool:
        """What the caller gets while nothing is away."""
        if self.answer.status != 200 or b'"provisional":true' in self.answer.body:
            return False
        return self.source == "popular" if self.asked is Asked.STRANGER else self.source not in {"popular", "stale"}


@dataclass(frozen=True, slots=True)
class RowFigures:
    """answers: by status, Feed-Source and mark; failures: no answer, or a 5xx other than `overloaded`.

    normal_again_seconds: from the return of what was away to the last answer that was not a normal one.
    """

    away: str
    requests: int
    answers: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    worst_ms: float
    failures: int
    normal_again_seconds: float


@dataclass(frozen=True, slots=True)
class OutageFigures:
    """One row for each part that was away, while it was; failures: over all of the load, the returns included."""

    users: int
    connections: int
    rows: Sequence[RowFigures]
    failures: int


@app.command()
def outage(
    interactions: Annotated[int, typer.Option(min=1_000, max=1_000_000, help="Made up, of so many.")] = 20_000,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="That each part is away.")] = 12.0,
    connections: Annotated[int, typer.Option(min=1, max=1000)] = 8,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Take away Redis, Postgres, both, the workers and the model in turn; exit code 1 if any caller was failed."""
    figures = run_to_end(measure(interactions, seconds, connections, seed))
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else print_table(_table(figures))
    if figures.failures:
        raise typer.Exit(1)


async def measure(
    interactions: int, seconds: float, connections: int, seed: int, rows: Sequence[str] | None = None
) -> OutageFigures:
    """All of it in a folder of its own, which goes afterwards. rows: names of those to measure, all by default."""
    with tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as name:
        folder = Path(name)
        async with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedValkey(folder / "valkey") as valkey:
            parts = _Parts(folder, postgres, valkey)
            await parts.prepare(interactions, seed)
            async with parts.running():
                users = await parts.users(seed)
                load = _Load(parts.port, users, connections, seed)
                ways_out = _rows(parts)
                measured = [await _measured(parts, load, row, ways_out[row], seconds) for row in rows or ways_out]
    return OutageFigures(len(users), connections, measured, load.failures)


class _Parts:
    """A service whose parts can be taken away one by one."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
        self.postgres, self.valkey, self.port = postgres, valkey, free_port()
        self._service = OwnService(folder, self.port)
        self._environment = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": valkey.url(0),
            "BROKER_URL": valkey.url(1),
            "MODEL_PATH": str(folder / "models"),
        }
        self._log = folder / "log"

    async def prepare(self, interactions: int, seed: int) -> None:
        """Interactions and a model."""
        await self._service.run("migrate", **self._environment)
        made_up = ("--count", str(interactions), "--seed", str(seed))
        await self._service.run("generate-fake-interactions", *made_up, **self._environment)
        await self._service.run("train", "--no-gate", **self._environment)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Web, worker, and everybody's feed."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.process("web", "--host", HOST, "--port", str(self.port)))
            bulk = self.process("worker", "--queue", Queue.FEEDS_BULK)
            async with bulk:
                await self._service.run("enqueue", "--all", "--wait", **self._environment)
            self.worker = await stack.enter_async_context(AsyncExitStack())
            await self.start_worker()
            yield

    async def start_worker(self) -> None:
        """And wait for its first sign of life."""
        await self.worker.enter_async_context(self.process("worker", "--queue", Queue.FEEDS))
        async with open_redis(self.valkey.url(1), timeout_seconds=5) as broker, asyncio.timeout(READY_WITHIN_SECONDS):
            while not await RedisJobQueue(broker).workers_alive(Queue.FEEDS):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def process(self, module: str, *arguments: str) -> AsyncIterator[None]:
        """`python -m` of ours inside the block, ended with all its children."""
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *arguments),
                env=os.environ | self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            await _ended(process)

    async def users(self, seed: int) -> list[str]:
        """Whoever has a feed, in some order."""
        database = await asyncpg.connect(self.postgres.url)
        rows = await database.fetch("select user_id from feed order by user_id")
        await database.close()
        users = [str(row["user_id"]) for row in rows]
        if len(users) < len(Asked):
            raise ThreadsMlError("too few users have a feed: take more interactions")
        random.Random(seed).shuffle(users)  # noqa: S311 - an order, not a secret
        return users

    async def set_scene(self, missing: Sequence[str], stale: Sequence[str]) -> None:
        """Nobody has a feed of the ones, and those of the others have expired; both are stored nowhere else."""
        database: Any = await asyncpg.connect(self.postgres.url)
        await database.execute("delete from feed where user_id = any($1::uuid[])", missing)
        expired = "update feed set expires_at = now() - interval '1 hour' where user_id = any($1::uuid[])"
        await database.execute(expired, stale)
        await database.close()
        async with redis.asyncio.Redis.from_url(self.valkey.url(0)) as client:
            await client.delete(*[feed_key(user) for user in [*missing, *stale]])


class _Load:
    """Connections that ask at a steady pace, in turn for each kind of user."""

    def __init__(self, port: int, users: Sequence[str], connections: int, seed: int) -> None:
        self._port, self._connections = port, connections
        third = len(users) // 3
        self.of = {
            Asked.STORED: users[:third],
            Asked.MISSING: users[third : 2 * third],
            Asked.STALE: users[2 * third :],
        }
        self._random = random.Random(seed)  # noqa: S311 - who is asked for, not a secret
        self.failures = 0

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[list[Noted]]:
        """Answers as they come inside the block."""
        noted: list[Noted] = []
        stop, turns = asyncio.Event(), self._turns()
        asking = [asyncio.create_task(self._ask_on(turns, stop, noted)) for _ in range(self._connections)]
        try:
            yield noted
        finally:
            stop.set()
            await asyncio.gather(*asking)
            self.failures += sum(one.is_failure for one in noted)

    async def _ask_on(self, turns: Iterator[tuple[Asked, bytes]], stop: asyncio.Event, noted: list[Noted]) -> None:
        async with Connection(HOST, self._port, TIMEOUT_SECONDS) as connection:
            while not stop.is_set():
                asked, request = next(turns)
                noted.append(Noted(asked, await connection.ask(request)))
                await asyncio.sleep(PAUSE_SECONDS)

    def _turns(self) -> Iterator[tuple[Asked, bytes]]:
        users = {asked: itertools.cycle(known) for asked, known in self.of.items()}
        for asked in itertools.cycle(Asked):
            user = str(uuid4()) if asked is Asked.STRANGER else next(users[asked])
            prefer = "Prefer: fallback\r\n" if self._random.random() < FALLBACK_SHARE else ""
            yield asked, post_request("/recommendations/generate", json.dumps({"user_id": user}).encode(), prefer)


Away = Callable[[], AbstractAsyncContextManager[None]]


def _rows(parts: _Parts) -> dict[str, Away]:
    """What is away inside each block."""

    @asynccontextmanager
    async def nothing() -> AsyncIterator[None]:
        yield

    @asynccontextmanager
    async def redis_gone() -> AsyncIterator[None]:
        await parts.valkey.stop()
        yield
        await parts.valkey.start()

    @asynccontextmanager
    async def redis_silent() -> AsyncIterator[None]:
        with silenced_valkey(parts.valkey):
            yield

    @asynccontextmanager
    async def postgres_gone() -> AsyncIterator[None]:
        await parts.postgres.stop()
        yield
        await parts.postgres.start()

    @asynccontextmanager
    async def both(redis_away: Away, postgres_away: Away) -> AsyncIterator[None]:
        async with redis_away(), postgres_away():
            yield

    @asynccontextmanager
    async def workers_gone() -> AsyncIterator[None]:
        await parts.worker.aclose()
        yield
        await parts.start_worker()

    @asynccontextmanager
    async def no_model() -> AsyncIterator[None]:
        await parts.worker.aclose()
        champion = await _exchange_champion(parts.postgres.url, None)
        await parts.start_worker()
        yield
        await _exchange_champion(parts.postgres.url, champion)

    def postgres_silent() -> AbstractAsyncContextManager[None]:
        return silenced_postgres(parts.postgres)

    return {
        "nothing": nothing,
        "redis gone": redis_gone,
        "redis silent": redis_silent,
        "postgres gone": postgres_gone,
        "postgres silent": postgres_silent,
        "both gone": lambda: both(redis_gone, postgres_gone),
        "both silent": lambda: both(redis_silent, postgres_silent),
        "workers gone": workers_gone,
        "no model": no_model,
    }


async def _measured(parts: _Parts, load: _Load, name: str, away: Away, seconds: float) -> RowFigures:
    await parts.set_scene(load.of[Asked.MISSING], load.of[Asked.STALE])
    async with AsyncExitStack() as stack:
        async with away():
            began = time.monotonic()
            noted = await stack.enter_async_context(load.asking())
            await asyncio.sleep(seconds)
            ended = time.monotonic()
        returned = time.monotonic()
        await _until_normal(noted, returned)
    return _figures(name, noted, (began, ended), returned)


async def _until_normal(noted: list[Noted], returned: float) -> None:
    """Answers have been normal for a while, or it is given up."""
    deadline = returned + BACK_WITHIN_SECONDS
    while time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        if time.monotonic() - max(returned, _last_abnormal(noted, returned)) > CALM_SECONDS:
            return


def _last_abnormal(noted: Sequence[Noted], since: float) -> float:
    """When the last answer that was not a normal one had been asked for, `since` where there was none."""
    began = (one.answer.began for one in noted if one.answer.began > since and not one.is_normal)
    return max(began, default=since)


def _figures(name: str, noted: Sequence[Noted], away: tuple[float, float], returned: float) -> RowFigures:
    meanwhile = [one for one in noted if away[0] <= one.answer.began < away[1]]
    took = [1000 * one.answer.seconds for one in meanwhile] or [0.0]
    return RowFigures(
        away=name,
        requests=len(meanwhile),
        answers=dict(sorted(Counter(one.label for one in meanwhile).items())),
        p50_ms=percentile(took, 0.5),
        p99_ms=percentile(took, 0.99),
        worst_ms=max(took),
        failures=sum(one.is_failure for one in noted),
        normal_again_seconds=_last_abnormal(noted, returned) - returned,
    )


async def _exchange_champion(url: str, number: int | None) -> int | None:
    """Who served before."""
    database: Any = await asyncpg.connect(url)
    before = await database.fetchval("select champion from serving")
    await database.execute("update serving set champion = $1, epoch = epoch + 1", number)
    await database.close()
    return None if before is None else int(before)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """The whole group, gently, then not."""
    for number, grace in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await process.wait()
                return


def _table(figures: OutageFigures) -> Table:
    title = f"{figures.connections} connections, {figures.users:,} users, with a feed, without, and with a stale one"
    columns = ("away", "requests", "p50 ms", "p99 ms", "worst ms", "failures", "normal again after s", "answers")
    table = Table(*columns, title=title)
    for row in figures.rows:
        times = [f"{value:,.1f}" for value in (row.p50_ms, row.p99_ms, row.worst_ms)]
        answers = ", ".join(f"{label}: {count}" for label, count in row.answers.items())
        table.add_row(
            row.away, str(row.requests), *times, str(row.failures), f"{row.normal_again_seconds:.1f}", answers
        )
    return table


if __name__ == "__main__":
    app()
