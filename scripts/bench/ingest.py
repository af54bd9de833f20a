"""`threads-ml bench ingest`: events a second through POST /interactions, beside one INSERT an event."""

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import typer
from rich.table import Table

from core.domain.errors import ThreadsMlError
from core.domain.interaction import InteractionType
from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.embedded_valkey import EmbeddedValkey
from scripts.bench.http_load import Connection, post_request
from scripts.bench.own_service import HOST, TIMEOUT_SECONDS
from scripts.bench.percentile import percentile
from scripts.bench.serve import server
from scripts.command import command_app, console, run_to_end

AIM_EVENTS_A_SECOND = 5000
CALLERS, SINGLE_CALLERS = 4, 16
USERS, POSTS = 100_000, 50_000
_TYPES = tuple(InteractionType)
_INSERT = """
    insert into user_interaction (id, user_id, post_id, interaction_type, created_at) values ($1, $2, $3, $4, $5)
"""
_WITHOUT_ALARM = "alter table user_interaction disable trigger threads_ml_interactions_written"

app = command_app()


@dataclass(frozen=True, slots=True)
class IngestFigures:
    """Events a second: in batches and one a request through one web process, which marks users due and remembers what
    they saw; by one INSERT each from as many connections, which does none of that, with the trigger that wakes readers
    and without it. times_plain: batches over INSERTs with the trigger; p99_ms: of a batch."""

    batch: int
    batches_a_second: float
    batches: float
    single: float
    plain: float
    plain_without_alarm: float
    times_plain: float
    p99_ms: float
    aim: int = AIM_EVENTS_A_SECOND


@app.command()
def ingest(
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Events a request.")] = 1000,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Of each measurement.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Measure how many events a second are recorded, durably, on servers of its own."""
    figures = run_to_end(measure(batch, seconds))
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


async def measure(batch: int, seconds: float) -> IngestFigures:
    """All ways, one after the other, into the same table."""
    with tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as name:
        folder = Path(name)
        async with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedValkey(folder / "valkey") as valkey:
            await migrate(postgres.url)
            environment = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url(0), "BROKER_URL": valkey.url(1)}
            async with server("scripts.bench.serving", environment, "1") as port:
                many = await _posted(port, CALLERS, lambda: {"events": [_event() for _ in range(batch)]}, seconds)
                single = await _posted(port, SINGLE_CALLERS, _event, seconds)
            plain = await _inserted(postgres.url, seconds)
            without_alarm = await _inserted(postgres.url, seconds, _WITHOUT_ALARM)
    return _figures(batch, seconds, many, single, plain, without_alarm)


def _figures(
    batch: int, seconds: float, many: Sequence[float], single: Sequence[float], plain: float, without_alarm: float
) -> IngestFigures:
    batches = len(many) * batch / seconds
    return IngestFigures(
        batch=batch,
        batches_a_second=len(many) / seconds,
        batches=batches,
        single=len(single) / seconds,
        plain=plain,
        plain_without_alarm=without_alarm,
        times_plain=batches / plain,
        p99_ms=1000 * percentile(many, 0.99),
    )


async def _posted(port: int, callers: int, body: Callable[[], Any], seconds: float) -> list[float]:
    """Seconds of each request that was answered 202 in time. Raises ThreadsMlError for any other answer."""
    took: list[float] = []

    async def call(until: float) -> None:
        async with Connection(HOST, port, TIMEOUT_SECONDS) as connection:
            while time.monotonic() < until:
                answer = await connection.ask(post_request("/interactions", msgspec.json.encode(body())))
                if answer.status != 202:
                    raise ThreadsMlError(f"the service answers {answer.status}: {answer.body.decode()[:200]}")
                took.append(answer.seconds)

    await _together(callers, call, seconds)
    return took


async def _inserted(url: str, seconds: float, *statements: str) -> float:
    """Events a second, each an INSERT and a transaction of its own."""
    count = 0

    async def insert(until: float) -> None:
        nonlocal count
        connection: Any = await asyncpg.connect(url)
        for statement in statements:
            await connection.execute(statement)
        while time.monotonic() < until:
            event = _event()
            ids = (UUID(event["id"]), UUID(event["user_id"]), UUID(event["post_id"]))
            now = datetime.now(UTC).replace(tzinfo=None)
            await connection.execute(_INSERT, *ids, event["interaction_type"], now)
            count += 1
        await connection.close()

    await _together(CALLERS, insert, seconds)
    return count / seconds


async def _together(callers: int, call: Callable[[float], Awaitable[None]], seconds: float) -> None:
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(_awaited(call(until)))


async def _awaited(call: Awaitable[None]) -> None:
    await call


def _event() -> Mapping[str, str]:
    return {
        "id": str(uuid4()),
        "user_id": str(UUID(int=(7 << 120) | random.randrange(USERS))),  # noqa: S311 - made-up users
        "post_id": str(UUID(int=(9 << 120) | random.randrange(POSTS))),  # noqa: S311 - and posts
        "interaction_type": random.choice(_TYPES).value,  # noqa: S311 - and types
    }


def _table(figures: IngestFigures) -> Table:
    table = Table("way", "events a second", title=f"Recording events, aim {figures.aim:,} a second in batches")
    table.add_row(f"POST /interactions, {figures.batch:,} a request", f"{figures.batches:,.0f}")
    table.add_row("POST /interactions, one a request", f"{figures.single:,.0f}")
    table.add_row("one INSERT each, no HTTP, nothing marked", f"{figures.plain:,.0f}")
    table.add_row("the same without the trigger that wakes readers", f"{figures.plain_without_alarm:,.0f}")
    return table


if __name__ == "__main__":
    app()
