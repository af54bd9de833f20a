"""`threads-ml bench serve`: cached answers of one web process, beside a constant of the same size."""

import asyncio
import os
import random
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
import typer
from rich.table import Table

from core.domain.errors import ConfigurationError, ThreadsMlError
from core.domain.feed import Feed, FeedOrder, Reason, Recommendation
from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.embedded_valkey import EmbeddedValkey
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_cache import RedisFeedCache, feed_key
from scripts.bench.http_load import Connection, post_request
from scripts.bench.own_service import HOST, READY_WITHIN_SECONDS, TIMEOUT_SECONDS, free_port
from scripts.bench.plain_list import as_plain_list, list_key
from scripts.bench.serving import CONSTANT_PATH
from scripts.command import command_app, console, run_to_end

CONNECTIONS, DEPTH = 32, 150
AIMS = {"plain": 0.5, "compressed": 0.7, "excluding": 0.4, "page_two": 0.4, "stranger": 0.5}
# Users whose requests must be known in advance: with posts of their own feed to exclude, or with a cursor.
PREPARED_USERS = 1000
GENERATE = "/recommendations/generate"
_RATE, _P99 = re.compile(r"Requests/sec:\s+([\d.]+)"), re.compile(r"99%\s+([\d.]+)(us|ms|s)")
_BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}

app = command_app()


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of request. share: of the constant's requests a second, in the same run; p99_ratio: over its;
    times_fastapi: requests a second over those of the first shape of the service, in the same run."""

    requests_a_second: float
    p99_ms: float
    share: float
    p99_ratio: float
    times_fastapi: float


@dataclass(frozen=True, slots=True)
class ServeFigures:
    """bytes_per_feed: what Redis takes for a user's feed of 150 recommendations, by MEMORY USAGE; body_bytes: of an
    answer with 50, compressed_bytes: of the same as gzip."""

    users: int
    connections: int
    body_bytes: int
    compressed_bytes: int
    bytes_per_feed: int
    loads: Mapping[str, Load]


@app.command()
def serve(
    users: Annotated[int, typer.Option(min=1, max=1_000_000, help="Different ones, each with a feed.")] = 10_000,
    seconds: Annotated[int, typer.Option(min=1, max=600, help="Of each measurement.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="All kinds in turn; the best of each counts.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Measure requests a second with wrk, which must be installed: 32 connections, one web process."""
    figures = run_to_end(measure(users, seconds, rounds))
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


async def measure(users: int, seconds: int, rounds: int) -> ServeFigures:
    """Servers, feeds and a web process of its own."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise ConfigurationError("wrk is not installed: it drives the load (apt install wrk, brew install wrk)")
    with tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as name:
        folder = Path(name)
        async with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedValkey(folder / "valkey") as valkey:
            await migrate(postgres.url)
            bytes_per_feed = await _fill(valkey.url(0), users)
            environment = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url(0), "BROKER_URL": valkey.url(1)}
            async with server("scripts.bench.serving", environment, "1") as port:
                size, compressed = await _body_sizes(port)
                scripts = {**_scripts(users), **await _prepared_scripts(port, min(users, PREPARED_USERS))}
            async with (
                server("scripts.bench.serving", environment, str(size)) as port,
                server("scripts.bench.fastapi_serving", environment) as fastapi_port,
            ):
                loads = [(name, script, port) for name, script in scripts.items()]
                loads.append(("fastapi", scripts["plain"], fastapi_port))
                best = await _measured(wrk, folder, loads, seconds, rounds)
    return ServeFigures(users, CONNECTIONS, size, compressed, bytes_per_feed, _compared(best))


def _compared(best: Mapping[str, tuple[float, float]]) -> dict[str, Load]:
    (ceiling, ceiling_p99), fastapi = best["constant"], best["fastapi"][0]
    return {
        name: Load(rate, p99, rate / ceiling, p99 / ceiling_p99, rate / fastapi) for name, (rate, p99) in best.items()
    }


def user_of(number: int) -> UUID:
    """A made-up user."""
    return UUID(int=(7 << 120) | number)


async def _fill(url: str, users: int) -> int:
    now, draw = datetime.now(UTC), random.Random(0)  # noqa: S311 - ids of made-up posts
    async with open_redis(url) as client:
        cache = RedisFeedCache(client)
        for number in range(users):
            items = tuple(
                Recommendation(UUID(int=draw.getrandbits(128), version=4), score, Reason.COLLABORATIVE_FILTERING)
                for score in sorted((draw.random() for _ in range(DEPTH)), reverse=True)
            )
            order = FeedOrder(1, number + 1)
            feed = Feed(user_of(number), items, "collaborative_filtering_v1", order, now, now + timedelta(days=1), now)
            await cache.put(feed)
            await client.set(list_key(str(feed.user_id)), as_plain_list(items))
        return int(await client.memory_usage(feed_key(user_of(0))))


async def _body_sizes(port: int) -> tuple[int, int]:
    body = msgspec.json.encode({"user_id": user_of(0)})
    async with Connection(HOST, port, TIMEOUT_SECONDS) as connection:
        plain = await connection.ask(post_request(GENERATE, body))
        compressed = await connection.ask(post_request(GENERATE, body, "Accept-Encoding: gzip\r\n"))
    return len(plain.body), len(compressed.body)


async def _prepared_scripts(port: int, users: int) -> dict[str, str]:
    """Each user's next page, and first page without its first two posts."""
    excluding, page_two = [], []
    async with Connection(HOST, port, TIMEOUT_SECONDS) as connection:
        for user_id in map(user_of, range(users)):
            first = await connection.ask(post_request(GENERATE, msgspec.json.encode({"user_id": user_id})))
            page = msgspec.json.decode(first.body)
            seen = [item["post_id"] for item in page["recommendations"][:2]]
            excluding.append(msgspec.json.encode({"user_id": user_id, "exclude_post_ids": seen}).decode())
            page_two.append(msgspec.json.encode({"user_id": user_id, "cursor": page["next_cursor"]}).decode())
    return {"excluding": listed_script(excluding), "page_two": listed_script(page_two)}


@asynccontextmanager
async def server(module: str, environment: Mapping[str, str], *arguments: str) -> AsyncIterator[int]:
    """A process that serves, whose log goes nowhere, as a platform's pipe would take it."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(port), *arguments),
        env=os.environ | environment | {"METRICS_PORT": "0"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _until_ready(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def _until_ready(port: int) -> None:
    ready = b"GET /ready HTTP/1.1\r\nHost: bench\r\n\r\n"
    async with asyncio.timeout(READY_WITHIN_SECONDS), Connection(HOST, port, TIMEOUT_SECONDS) as connection:
        while (await connection.ask(ready)).status != 200:  # noqa: ASYNC110 - the process tells nobody
            await asyncio.sleep(0.1)


async def _measured(
    wrk: str, folder: Path, loads: Sequence[tuple[str, str, int]], seconds: int, rounds: int
) -> dict[str, tuple[float, float]]:
    """Requests a second and milliseconds of the 99th percentile by kind, each the best of its rounds."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for name, script, port in loads:
            path = folder / f"{name}.lua"
            path.write_text(script)
            rate, p99 = await measure_by_wrk(wrk, path, port, seconds)
            if name not in best or rate > best[name][0]:
                best[name] = rate, p99
    return best


async def measure_by_wrk(wrk: str, script: Path, port: int, seconds: int) -> tuple[float, float]:
    """Requests a second and milliseconds of the 99th percentile. Raises ThreadsMlError where any was failed."""
    process = await asyncio.create_subprocess_exec(
        *(wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://{HOST}:{port}"),
        stdout=asyncio.subprocess.PIPE,
    )
    output = (await process.communicate())[0].decode()
    rate, p99, bad = _RATE.search(output), _P99.search(output), _BAD.search(output)
    if rate is None or p99 is None or bad is not None:
        raise ThreadsMlError(f"wrk could not measure {script.stem}: {' '.join(output.split())[-300:]}")
    return float(rate[1]), 1000 * float(p99[1]) * _SECONDS[p99[2]]


def _scripts(users: int) -> dict[str, str]:
    """What wrk sends, by kind: each request for the next user."""
    prefix = f"{7 << 120:032x}"[:20]
    known = f"""
        number = (number + 7) % {users}
        local id = "{prefix}" .. string.format("%012x", number)
        id = id:sub(1, 8) .. "-" .. id:sub(9, 12) .. "-" .. id:sub(13, 16) .. "-" .. id:sub(17, 20) .. "-" .. id:sub(21)
    """
    stranger = 'number = number + 1\nlocal id = "stranger-" .. (number % 500)'
    return {
        "constant": _script(CONSTANT_PATH, known),
        "plain": _script(GENERATE, known),
        "compressed": _script(GENERATE, known, headers='["Accept-Encoding"] = "gzip, zstd, deflate"'),
        "stranger": _script(GENERATE, stranger),
    }


def listed_script(bodies: Sequence[str]) -> str:
    """What wrk sends: these bodies in turn."""
    return f"""
        local number = 0
        local headers = {{["Content-Type"] = "application/json"}}
        local bodies = {{{", ".join(f"[[{body}]]" for body in bodies)}}}
        request = function()
            number = number % {len(bodies)} + 1
            return wrk.format("POST", "{GENERATE}", headers, bodies[number])
        end
    """


def _script(path: str, choose: str, headers: str = "") -> str:
    return f"""
        local number = 0
        local headers = {{["Content-Type"] = "application/json", {headers}}}
        request = function()
            {choose}
            return wrk.format("POST", "{path}", headers, "{{\\"user_id\\": \\"" .. id .. "\\"}}")
        end
    """


def _table(figures: ServeFigures) -> Table:
    title = (
        f"{figures.users:,} users, {figures.connections} connections; answers of {figures.body_bytes:,} bytes, "
        f"{figures.compressed_bytes:,} compressed; {figures.bytes_per_feed:,} bytes a feed in Redis"
    )
    table = Table(
        "kind", "requests/s", "of the constant", "aim", "p99 ms", "over the constant's", "times FastAPI", title=title
    )
    for name, load in figures.loads.items():
        aim = f"{AIMS[name]:.2f}" if name in AIMS else ""
        cells = (
            f"{load.requests_a_second:,.0f}",
            f"{load.share:.2f}",
            aim,
            f"{load.p99_ms:.2f}",
            f"{load.p99_ratio:.1f}",
            f"{load.times_fastapi:.1f}",
        )
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    app()
