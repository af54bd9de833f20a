"""`threads-ml bench rollback`: a bad model taken back in a running system under load."""

import asyncio
import itertools
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import msgspec
import typer
from rich.table import Table

from scripts.bench.http_load import Answer, Connection, post_request, steady_load
from scripts.bench.own_service import HOST, TIMEOUT_SECONDS, OwnService, free_port
from scripts.bench.percentile import percentile
from scripts.command import command_app, console, run_to_end

CALM_SECONDS = 3.0
AT_MOST_SECONDS = 60.0

app = command_app()


@dataclass(frozen=True, slots=True)
class RollbackFigures:
    """Seconds are counted from the start of the command, which takes `command_seconds`.

    unmarked_until: the last answer that passed a withdrawn feed off as fresh; withdrawn_until: the last that held one
    at all; failed: answers that were none, or of a status above 499.
    """

    users: int
    connections: int
    requests: int
    statuses: Mapping[str, int]
    failed: int
    command_seconds: float
    unmarked_until_seconds: float
    withdrawn_until_seconds: float
    stale_answers: int
    renewed_feeds: int
    p99_before_ms: float
    p99_after_ms: float


@app.command()
def rollback(
    interactions: Annotated[int, typer.Option(min=1_000, max=10_000_000, help="Made up, of so many.")] = 20_000,
    connections: Annotated[int, typer.Option(min=1, max=1000)] = 16,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Start a whole service, let a second model serve, and roll it back while requests come in."""
    figures = run_to_end(measure(interactions, connections, seed))
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


async def measure(interactions: int, connections: int, seed: int) -> RollbackFigures:
    """All of it in a folder of its own, which goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as folder:
        system = OwnService(Path(folder), free_port())
        await system.run("migrate")
        await system.run("generate-fake-interactions", "--count", str(interactions), "--seed", str(seed))
        await system.run("train", "--no-gate")
        async with system.up():
            await system.run("enqueue", "--all", "--wait")
            await system.run("train", "--no-gate", ALGORITHM_PARAMETERS="k=3")
            await system.run("enqueue", "--all", "--wait")
            return await _rolled_back(system, connections, seed)


async def _rolled_back(system: OwnService, connections: int, seed: int) -> RollbackFigures:
    database_url = json.loads(await system.run("status", "--json"))["database_url"]
    database = await asyncpg.connect(database_url)
    rows = await database.fetch("select user_id from feed order by user_id")
    users = [str(row["user_id"]) for row in rows]
    random.Random(seed).shuffle(users)  # noqa: S311 - an order, not a secret
    answers: list[Answer] = []
    began, ended = await _loaded(system, connections, users, answers, database)
    renewed = await database.fetchval("select count(*) from feed where model_version like '%\\_v1'")
    await database.close()
    return _figures(answers, began, ended, len(users), connections, renewed)


async def _loaded(
    system: OwnService, connections: int, users: list[str], answers: list[Answer], database: Any
) -> tuple[float, float]:
    """Load from before the rollback until every feed is renewed; when the command began and ended."""
    stop, next_user = asyncio.Event(), itertools.cycle(users)

    def next_request() -> bytes:
        return post_request("/recommendations/generate", json.dumps({"user_id": next(next_user)}).encode())

    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(Connection(HOST, system.port, TIMEOUT_SECONDS)) for _ in range(connections)
        ]
        load = asyncio.create_task(steady_load(opened, next_request, stop, answers.append))
        await asyncio.sleep(CALM_SECONDS)
        began = time.monotonic()
        await system.run("models", "rollback")
        ended = time.monotonic()
        left = "select exists (select from feed where model_version like '%\\_v2')"
        while await database.fetchval(left) and time.monotonic() < began + AT_MOST_SECONDS:  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.2)
        await asyncio.sleep(CALM_SECONDS)
        stop.set()
        await load
    return began, ended


def _figures(
    answers: list[Answer], began: float, ended: float, users: int, connections: int, renewed: int
) -> RollbackFigures:
    withdrawn = [answer for answer in answers if b'_v2"' in answer.body and answer.began > began]
    unmarked = [answer for answer in withdrawn if b'"stale":true' not in answer.body]
    return RollbackFigures(
        users=users,
        connections=connections,
        requests=len(answers),
        statuses={str(status): count for status, count in Counter(answer.status for answer in answers).items()},
        failed=sum(answer.status == 0 or answer.status >= 500 for answer in answers),
        command_seconds=ended - began,
        unmarked_until_seconds=max((answer.began - began for answer in unmarked), default=0.0),
        withdrawn_until_seconds=max((answer.began - began for answer in withdrawn), default=0.0),
        stale_answers=len(withdrawn) - len(unmarked),
        renewed_feeds=renewed,
        p99_before_ms=_p99([answer for answer in answers if answer.began < began]),
        p99_after_ms=_p99([answer for answer in answers if answer.began >= began]),
    )


def _p99(answers: list[Answer]) -> float:
    return 1000 * percentile([answer.seconds for answer in answers], 0.99) if answers else 0.0


def _table(figures: RollbackFigures) -> Table:
    table = Table(show_header=False, title="a rollback under load")
    for name, value in asdict(figures).items():
        table.add_row(name.replace("_", " "), f"{value:,.2f}" if isinstance(value, float) else f"{value}")
    return table


if __name__ == "__main__":
    app()
