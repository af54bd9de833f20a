"""`threads-ml bench miss`: the whole round trip of a request whose feed has yet to be generated."""

import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import asyncpg
import msgspec
import typer
from rich.table import Table

from core.domain.job import Queue
from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from scripts.bench.http_load import Answer, Connection, post_request
from scripts.bench.own_service import HOST, TIMEOUT_SECONDS, OwnService, free_port
from scripts.bench.percentile import percentile
from scripts.bench.train import fill_interactions
from scripts.command import command_app, console, run_to_end

TARGET_P50_MS, TARGET_P99_MS = 12.0, 50.0
MEAN_PAUSE_SECONDS = 0.1
INTERACTIONS_PER_USER = 50
WARM_UP = 10
# `up` generates everybody's feed where there is none at all.
_ONE_FEED = """
    insert into feed (user_id, post_ids, scores, reasons, model_version, epoch, generation, generated_at, expires_at)
    values (gen_random_uuid(), '{}', '{}', '{}', 'popular', 0, 0, now(), now() + interval '1 day')
"""
_USERS = """
    select user_id from user_interaction group by user_id having count(distinct post_id) >= 5
    order by md5(user_id::text || $2::text) limit $1
"""

app = command_app()


@dataclass(frozen=True, slots=True)
class MissFigures:
    """Milliseconds from sending the request to having the whole answer, the feed having been written to Postgres.

    sources: the header Feed-Source of the answers; statuses: theirs.
    """

    users: int
    requests: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    sources: Mapping[str, int]
    statuses: Mapping[str, int]


@app.command()
def miss(
    users: Annotated[int, typer.Option(min=100, max=1_000_000, help="In the model.")] = 100_000,
    requests: Annotated[int, typer.Option(min=1, max=100_000, help="Each for another user.")] = 300,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Start a whole idle service with a model of many users, and ask for feeds that are not there."""
    figures = run_to_end(measure(users, requests, seed))
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


async def measure(users: int, requests: int, seed: int) -> MissFigures:
    """All of it in a folder of its own, which goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as folder:
        service = OwnService(Path(folder), free_port())
        async with EmbeddedPostgres(service.folder / "data" / "postgres") as postgres:
            await migrate(postgres.url)
            await fill_interactions(postgres.url, INTERACTIONS_PER_USER * users)
            await prepare_feedless(postgres.url)
            asked = await users_with_history(postgres.url, WARM_UP + requests, seed)
        await service.run("train", "--no-gate")
        async with service.up():
            await service.until_workers_live(Queue.FEEDS)
            answers = await _asked(service.port, asked, seed)
        return _figures(answers[WARM_UP:], users)


async def prepare_feedless(url: str) -> None:
    """Let `up` find a feed, so that it makes none for the users there are."""
    connection = await asyncpg.connect(url)
    await connection.execute(_ONE_FEED)
    await connection.close()


async def users_with_history(url: str, count: int, seed: int) -> list[str]:
    """So many at the most, drawn of those who are no cold start."""
    connection = await asyncpg.connect(url)
    users = [str(row["user_id"]) for row in await connection.fetch(_USERS, count, str(seed))]
    await connection.close()
    return users


async def _asked(port: int, users: list[str], seed: int) -> list[Answer]:
    """One after the other, with a pause of random length before each: nothing else is going on."""
    pauses = random.Random(seed)  # noqa: S311 - pauses, no secrets
    answers = []
    async with Connection(HOST, port, TIMEOUT_SECONDS) as connection:
        for user in users:
            await asyncio.sleep(min(1.0, pauses.expovariate(1 / MEAN_PAUSE_SECONDS)))
            body = json.dumps({"user_id": user}).encode()
            answers.append(await connection.ask(post_request("/recommendations/generate", body)))
    return answers


def _figures(answers: list[Answer], users: int) -> MissFigures:
    took = [1000 * answer.seconds for answer in answers]
    return MissFigures(
        users=users,
        requests=len(answers),
        p50_ms=percentile(took, 0.5),
        p99_ms=percentile(took, 0.99),
        worst_ms=max(took),
        sources=dict(Counter(source_of(answer) for answer in answers)),
        statuses=dict(Counter(str(answer.status) for answer in answers)),
    )


def source_of(answer: Answer) -> str:
    """What the answer's header Feed-Source says."""
    for line in answer.headers.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "feed-source":
            return value.strip()
    return "none"


def _table(figures: MissFigures) -> Table:
    title = f"{figures.requests} missing feeds, a model of {figures.users:,} users"
    table = Table("figure", "value", "aim", title=title)
    table.add_row("p50 ms", f"{figures.p50_ms:.1f}", f"{TARGET_P50_MS:g}")
    table.add_row("p99 ms", f"{figures.p99_ms:.1f}", f"{TARGET_P99_MS:g}")
    table.add_row("worst ms", f"{figures.worst_ms:.1f}", "")
    for name, counts in (("sources", figures.sources), ("statuses", figures.statuses)):
        table.add_row(name, ", ".join(f"{key} {count}" for key, count in counts.items()), "")
    return table


if __name__ == "__main__":
    app()
