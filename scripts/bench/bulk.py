"""`threads-ml bench bulk`: the feeds of all users, from the command to the last one in Redis and Postgres."""

import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from rich.table import Table

from core.domain.errors import ThreadsMlError
from core.domain.job import Queue
from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.artefact_stores import artefact_store
from core.infrastructure.data_directory import RunningServers
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.held_popular_feed import HeldPopular
from core.infrastructure.in_memory_recommender import InMemoryRecommender
from core.infrastructure.key_rows import rows_of_keys
from core.infrastructure.numba_machine_code import warm_kernels
from core.infrastructure.postgres_history_batches import PostgresHistoryBatches
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_popular_posts import PostgresPopularPosts
from core.infrastructure.ranking_model import RankingModel
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import feed_key
from core.settings import Settings
from scripts.bench.bulk_stages import microseconds_by_stage
from scripts.bench.http_load import Answer, Connection, post_request
from scripts.bench.miss import source_of
from scripts.bench.only_warnings import only_warnings
from scripts.bench.own_service import HOST, TIMEOUT_SECONDS, OwnService, free_port
from scripts.bench.percentile import percentile
from scripts.bench.plain_bulk import PlainBulk
from scripts.bench.process_watch import ProcessWatch
from scripts.bench.train import fill_interactions
from scripts.command import command_app, console, run_to_end

TARGET_USERS_PER_S, TARGET_RATIO, TARGET_MISS_P99_MS, TARGET_SHARE_KEPT = 4000, 10, 100, 0.5
TARGET_MEMORY_GROWTH = 1.1
MISSED_USERS = 2000
# What is in the command line of each kind of process, the first that fits.
_PROCESSES = {
    "worker": "worker.main:feeds_bulk", "command": "scripts.cli enqueue", "postgres": "postgres",
    "redis": "valkey-server", "web": "-m web",
}  # fmt: skip
# `up` generates everybody's feed where there is none at all.
_ONE_FEED = """
    insert into feed (user_id, post_ids, scores, reasons, model_version, epoch, generation, generated_at, expires_at)
    values (gen_random_uuid(), '{}', '{}', '{}', 'popular', 0, 0, now(), now() + interval '1 day')
"""
_USERS = "select user_id from user_interaction group by user_id having count(distinct post_id) >= 5 order by user_id"
_BYTES = "select pg_total_relation_size('feed')::float8 / greatest(count(*), 1) from feed"
_STORED = "select count(*) from feed where model_version <> 'popular'"

app = command_app()


@dataclass(frozen=True, slots=True)
class Misses:
    """Milliseconds of requests whose feed had to be generated during a run, and how fast that was."""

    asked_per_s: float
    generated: int
    p50_ms: float
    p99_ms: float
    users_per_s: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes of a kind of process: after a tenth of the run's time, and the most from then on."""

    at_a_tenth: int
    most_afterwards: int

    @property
    def growth(self) -> float:
        """As a multiple."""
        return self.most_afterwards / self.at_a_tenth


@dataclass(frozen=True, slots=True)
class BulkFigures:
    """Users a second; seconds: from the command to the last feed; bytes_*: of each feed.

    plain_users_per_s: one `actor.send()` a user and one row a recommendation, of a sample; chunk_1_users_per_s: one
    message a user; engine_users_per_s: the kernel alone, on as many threads as there are cores.
    processor_us: of a user, by kind of process, during the run; stages_us: of a user, by the clock, one after the other
    with nothing beside; memory: of the command and the worker.
    """

    users: int
    posts: int
    interactions: int
    seconds: float
    users_per_s: float
    plain_users_per_s: float
    ratio_to_plain: float
    chunk_1_users_per_s: float
    engine_users_per_s: float
    share_of_engine: float
    processor_us: dict[str, float]
    stages_us: dict[str, float]
    memory: dict[str, Memory]
    bytes_in_postgres: float
    bytes_in_redis: float
    misses: Misses | None


@app.command()
def bulk(
    users: Annotated[int, typer.Option(min=100, max=10_000_000)] = 100_000,
    posts: Annotated[int, typer.Option(min=100, max=10_000_000)] = 50_000,
    interactions: Annotated[int, typer.Option(min=1000, max=1_000_000_000)] = 5_000_000,
    misses: Annotated[
        float, typer.Option(min=0, max=1000, help="Then once more, with so many requests a second that miss; 0: not.")
    ] = 0,
    sample: Annotated[int, typer.Option(min=10, max=100_000, help="Users of the plain way and of --chunk 1.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Run a whole service of its own, and generate everybody's feed."""
    figures = run_to_end(measure(users, posts, interactions, misses, sample))
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


async def measure(users: int, posts: int, interactions: int, misses: float, sample: int) -> BulkFigures:
    """All of it in a folder of its own, which goes afterwards."""
    with only_warnings(), tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as folder:
        service = OwnService(Path(folder), free_port())
        async with EmbeddedPostgres(service.folder / "data" / "postgres") as postgres:
            await migrate(postgres.url)
            await fill_interactions(postgres.url, interactions, users, posts)
            async with open_pool(postgres.url) as pool:
                await pool.execute(_ONE_FEED)
        await service.run("train", "--no-gate")
        async with service.up():
            return await _Measurement(service, service.servers(), (posts, interactions), sample)(misses)


class _Measurement:
    """One after the other, on a service that has nothing else to do."""

    def __init__(self, service: OwnService, servers: RunningServers, made_of: tuple[int, int], sample: int) -> None:
        """made_of: numbers of posts and interactions."""
        self._service, self._servers, self._made_of, self._sample = service, servers, made_of, sample

    async def __call__(self, misses: float) -> BulkFigures:
        # Else the command would start one of its own.
        await self._service.until_workers_live(Queue.FEEDS_BULK)
        watch, began = ProcessWatch(_PROCESSES), time.monotonic()
        async with watch.watching():
            seconds = await self._enqueue("--all")
        async with open_pool(self._servers.database_url, command_timeout_seconds=600) as pool:
            stored, user_ids = await pool.fetchval(_STORED), [row[0] for row in await pool.fetch(_USERS, timeout=600)]
            if stored < len(user_ids):
                raise ThreadsMlError(f"of {len(user_ids)} users {stored} have a feed")
            some = random.Random(0).sample(user_ids, min(self._sample, len(user_ids)))  # noqa: S311 - no secrets
            chunk_1 = await self._enqueue("--all", "--limit", str(len(some)), "--chunk", "1")
            plain, engine, stages = await self._others(pool, some)
            per_s = len(user_ids) / seconds
            return BulkFigures(
                users=len(user_ids),
                posts=self._made_of[0],
                interactions=self._made_of[1],
                seconds=seconds,
                users_per_s=per_s,
                plain_users_per_s=len(some) / plain,
                ratio_to_plain=per_s / (len(some) / plain),
                chunk_1_users_per_s=len(some) / chunk_1,
                engine_users_per_s=engine,
                share_of_engine=per_s / engine,
                processor_us={kind: 1e6 * one / len(user_ids) for kind, one in watch.processor_seconds.items()},
                stages_us=stages,
                memory={kind: _memory(watch, kind, began, seconds) for kind in ("command", "worker")},
                bytes_in_postgres=await pool.fetchval(_BYTES),
                bytes_in_redis=await self._bytes_in_redis(some),
                misses=await self._with_misses(pool, user_ids, misses) if misses else None,
            )

    async def _enqueue(self, *arguments: str) -> float:
        began = time.perf_counter()
        await self._service.run("enqueue", "--wait", "--force", *arguments)
        return time.perf_counter() - began

    async def _others(self, pool: Pool, user_ids: Sequence[UUID]) -> tuple[float, float, dict[str, float]]:
        """Seconds that the plain way takes, users a second of the kernel alone, and what each stage takes."""
        settings = Settings()
        model_path = self._service.folder / "data" / "models"
        await asyncio.to_thread(warm_kernels, model_path)
        stored = PostgresPopularPosts(pool, settings.interaction_weights, 12.0, 30)
        registry, artefacts = PostgresModelRegistry(pool), artefact_store(pool, "", model_path)
        async with InMemoryRecommender(registry, artefacts, 3600) as recommender, HeldPopular(stored) as popular:
            stages = await microseconds_by_stage(self._servers, pool, recommender, popular, user_ids)
            plain = PlainBulk(self._servers.database_url, self._servers.broker_url, recommender, popular.current())
            await plain.prepare()
            seconds = await asyncio.to_thread(plain.run, user_ids, settings.composition)
            if recommender.loaded_model is None:
                raise ThreadsMlError("no model serves")
            engine = await self._engine(pool, recommender.loaded_model, settings.feed_depth, user_ids)
            return seconds, engine, stages

    async def _engine(self, pool: Pool, model: RankingModel, depth: int, user_ids: Sequence[UUID]) -> float:
        histories = await PostgresHistoryBatches(pool).read(user_ids)
        rows = rows_of_keys(model.post_keys, histories.post_keys)
        began = time.perf_counter()
        await asyncio.to_thread(model.rank_arrays, histories, rows, depth, os.cpu_count() or 1)
        return len(user_ids) / (time.perf_counter() - began)

    async def _bytes_in_redis(self, user_ids: Sequence[UUID]) -> float:
        async with open_redis(self._servers.redis_url, timeout_seconds=TIMEOUT_SECONDS) as client:
            sizes = [await client.memory_usage(feed_key(user_id)) or 0 for user_id in user_ids]
        return sum(sizes) / len(sizes)

    async def _with_misses(self, pool: Pool, user_ids: Sequence[UUID], per_s: float) -> Misses:
        """The last users are left out of the run, and asked for while it goes on."""
        missed = user_ids[-min(MISSED_USERS, len(user_ids) // 2) :]
        await pool.execute("delete from feed where user_id = any($1)", missed)
        async with open_redis(self._servers.redis_url, timeout_seconds=TIMEOUT_SECONDS) as client:
            await client.delete(*map(feed_key, missed))
        left = len(user_ids) - len(missed)
        running = asyncio.create_task(self._enqueue("--all", "--limit", str(left)))
        answers = await _asked_until(running, self._service.port, missed, per_s)
        generated = [1000 * one.seconds for one in answers if source_of(one) == "generated"]
        if not generated:
            raise ThreadsMlError("no request missed while the run went on: it was too short")
        return Misses(
            asked_per_s=per_s,
            generated=len(generated),
            p50_ms=percentile(generated, 0.5),
            p99_ms=percentile(generated, 0.99),
            users_per_s=left / await running,
        )


async def _asked_until(over: "asyncio.Task[Any]", port: int, user_ids: Sequence[UUID], per_s: float) -> list[Answer]:
    """One request after the other at this pace, whether or not those before are answered."""
    free: list[Connection] = []
    answers: list[Answer] = []

    async def ask(user_id: UUID) -> None:
        connection = free.pop() if free else await stack.enter_async_context(Connection(HOST, port, TIMEOUT_SECONDS))
        body = json.dumps({"user_id": str(user_id)}).encode()
        answers.append(await connection.ask(post_request("/recommendations/generate", body)))
        free.append(connection)

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as asking:
        for user_id in user_ids:
            if over.done():
                break
            asking.create_task(ask(user_id))
            await asyncio.sleep(1 / per_s)
    return answers


def _memory(watch: ProcessWatch, kind: str, began: float, seconds: float) -> Memory:
    resident = watch.resident_bytes(kind, began + seconds / 10)
    if not resident:
        raise ThreadsMlError(f"the {kind} was not seen at work: the run was too short")
    return Memory(resident[0], max(resident))


def _table(figures: BulkFigures) -> Table:
    table = Table("figure", "value", "aim", title=f"the feeds of {figures.users:,} users in {figures.seconds:.1f} s")
    table.add_row("users/s", f"{figures.users_per_s:,.0f}", f"{TARGET_USERS_PER_S:,}")
    table.add_row("users/s, the plain way", f"{figures.plain_users_per_s:,.0f}", "")
    table.add_row("times the plain way", f"{figures.ratio_to_plain:.1f}", str(TARGET_RATIO))
    table.add_row("users/s, --chunk 1", f"{figures.chunk_1_users_per_s:,.0f}", "")
    table.add_row("users/s, kernel alone", f"{figures.engine_users_per_s:,.0f}", "")
    table.add_row("share of the kernel's speed", f"{figures.share_of_engine:.2f}", "")
    for kind, one in figures.processor_us.items():
        table.add_row(f"processor of {kind}, µs a user", f"{one:,.0f}", "")
    for stage, one in figures.stages_us.items():
        table.add_row(f"alone: {stage}, µs a user", f"{one:,.0f}", "")
    for kind, memory in figures.memory.items():
        table.add_row(f"memory of {kind} after a tenth, MB", f"{memory.at_a_tenth / 1e6:,.0f}", "")
        table.add_row("times as much at the most afterwards", f"{memory.growth:.2f}", f"{TARGET_MEMORY_GROWTH}")
    table.add_row("bytes a feed in Postgres", f"{figures.bytes_in_postgres:,.0f}", "")
    table.add_row("bytes a feed in Redis", f"{figures.bytes_in_redis:,.0f}", "")
    if figures.misses is not None:
        misses = figures.misses
        table.add_row(f"{misses.asked_per_s:g} misses/s: p50 ms", f"{misses.p50_ms:.1f}", "")
        table.add_row("p99 ms", f"{misses.p99_ms:.1f}", str(TARGET_MISS_P99_MS))
        table.add_row(
            "users/s meanwhile", f"{misses.users_per_s:,.0f}", f"{TARGET_SHARE_KEPT * figures.users_per_s:,.0f}"
        )
    return table


if __name__ == "__main__":
    app()
