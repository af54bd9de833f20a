"""`threads-ml bench freshness`: how soon what users do counts in a whole service, and what that costs cached reads."""

import asyncio
import itertools
import os
import random
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import typer
from rich.table import Table

from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from scripts.bench.http_load import Answer, Connection, post_request, steady_load
from scripts.bench.miss import prepare_feedless, users_with_history
from scripts.bench.own_service import HOST, TIMEOUT_SECONDS, OwnService, free_port
from scripts.bench.percentile import percentile
from scripts.bench.planted_community import MEMBERS, MEMBERS_POSTS, fill_with_community, post_of, user_of
from scripts.bench.process_watch import ProcessWatch
from scripts.bench.serve import CONNECTIONS, GENERATE, listed_script, measure_by_wrk
from scripts.command import command_app, console, run_to_end

ACTS_A_SECOND, READS_A_SECOND = 100, 50
AIM_P50_SECONDS, AIM_P99_SECONDS, AIM_POST_SECONDS, AIM_SHARE = 2.0, 10.0, 5.0, 0.9
VISITORS = 1000
ACTORS, PROBES = 8, 8
LIKERS, ASKING = 20, 25
MEMBER_ACTS_EVERY_SECONDS = 2.0
AT_MOST_SECONDS = 30.0
"""After which a feed or a post is given up, and counted as that."""
VISITED_WITHIN_SECONDS = 240.0
SETTLED_SECONDS = 5.0
"""Longer than a pace of renewals: then nothing of what was done before goes on."""
LEAST_SAID = 0.005
SERVICE = ("web", "worker", "worker-bulk", "postgres", "redis", "up")
APP, LOAD = "app", "load"
"""The backends in which the app's own INSERTs run; this process and wrk."""
# What is in the command line of each kind of process, the first that fits.
_PROCESSES = {
    "worker-bulk": "worker.main:feeds_bulk", "worker": "worker.main:feeds", "postgres": "postgres",
    "redis": "valkey-server", "web": "-m web", "up": "scripts.cli", LOAD: "wrk",
}  # fmt: skip
_PATIENT = "Prefer: wait=8\r\n"
_INSERT = """
    insert into user_interaction (id, user_id, post_id, interaction_type, created_at) values ($1, $2, $3, $4, $5)
"""

app = command_app()


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds, as whoever reads on every so often finds out."""

    count: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class PostFigures:
    """Seconds from the commit of the likes until the first, and half, of the members who ask were given the post."""

    asking: int
    reached: int
    first_seconds: float | None
    half_seconds: float | None


@dataclass(frozen=True, slots=True)
class ReadRound:
    """Cached answers a second without interactions, and with them going on; and processor seconds a second meanwhile,
    by kind of process."""

    calm: float
    busy: float
    calm_taken: Mapping[str, float]
    busy_taken: Mapping[str, float]

    @property
    def share(self) -> float:
        """What is left of the throughput."""
        return self.busy / self.calm


@dataclass(frozen=True, slots=True)
class ProcessorFigures:
    """Processor time: other programs on the machine take nothing away from that.

    act_milliseconds: of an act, by kind of process, `app` being the app's INSERTs and `load` whoever acts; of the
    service's own: service_share: of all cores, for so many acts a second; read_microseconds,
    read_microseconds_beside_acts: of a cached answer; kept_share: what acts would leave of the reads if these took all
    that is left of the cores or, where that is less, of the one core that a web process has.
    """

    cores: int
    act_milliseconds: Mapping[str, float]
    service_share: float
    read_microseconds: float
    read_microseconds_beside_acts: float
    kept_share: float


@dataclass(frozen=True, slots=True)
class FreshnessFigures:
    """Seconds from a commit: to_feed, to the whole answer of a feed that knows of it and lacks the post; to_hidden, to
    the first without the post, whatever feed it is cut from. Each of `all` acts, and of those
    `inserted` as by the app and `posted`.

    given_up: acts that no feed knew of in half a minute; acts_a_second, reads_a_second: as they went while those were
    measured; statuses: of all answers but wrk's; kept_share: the median of the rounds.
    """

    users: int
    visitors: int
    acts_a_second: float
    reads_a_second: float
    to_feed: Mapping[str, Percentiles]
    to_hidden: Mapping[str, Percentiles]
    given_up: int
    posts: Sequence[PostFigures]
    reads_by: str
    rounds: Sequence[ReadRound]
    kept_share: float
    processor: ProcessorFigures
    statuses: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of one act. Seconds from its commit, None where it was given up."""

    is_posted: bool
    to_hidden: float | None
    to_feed: float | None


class Pace:
    """So many a second for all who ask, in the order in which they ask; what could not be had is not made up for."""

    def __init__(self, a_second: float) -> None:
        self._gap_seconds, self._next, self.granted = 1 / a_second, 0.0, 0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = time.monotonic()
        self._next = max(now, self._next + self._gap_seconds)
        self.granted += 1
        await asyncio.sleep(self._next - now)


class Traffic:
    """What visitors and members do: acts, told by INSERT or by POST, and reads, each kind at its pace."""

    def __init__(self, port: int, pool: Any, visitors: Sequence[UUID], seed: int) -> None:
        self.port, self._pool, self.visitors = port, pool, visitors
        self.random = random.Random(seed)  # noqa: S311 - who does what, no secrets
        self.acts, self.reads = Pace(ACTS_A_SECOND), Pace(READS_A_SECOND)
        self.pages: dict[UUID, list[UUID]] = {}
        self.statuses: Counter[str] = Counter()

    async def read(self, connection: Connection, user_id: UUID, headers: str = "") -> tuple[Mapping[str, Any], float]:
        """The page, empty where there was none, and when it was there."""
        answer = await connection.ask(_generate_request(user_id, headers))
        self.statuses[str(answer.status)] += 1
        page = msgspec.json.decode(answer.body) if answer.status == 200 else {}
        return page, answer.began + answer.seconds

    async def insert(self, *acts: tuple[UUID, UUID, str]) -> datetime:
        """In one transaction; the moment that the rows bear."""
        now = datetime.now(UTC)
        rows = [(uuid4(), *act, now.replace(tzinfo=None)) for act in acts]
        async with self._pool.acquire() as connection:
            await connection.executemany(_INSERT, rows)
        return now

    async def backends(self) -> Mapping[int, str]:
        """The process ids of the pool's connections at the server, all of which are open."""
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(self._pool.acquire()) for _ in range(ACTORS)]
            return {connection.get_server_pid(): APP for connection in connections}

    async def post(self, connection: Connection, user_id: UUID, post_id: UUID) -> int | None:
        """The number that the service answers, None where it did not record the act."""
        body = {"user_id": user_id, "post_id": post_id, "interaction_type": "view"}
        answer = await connection.ask(post_request("/interactions", msgspec.json.encode(body)))
        self.statuses[str(answer.status)] += 1
        return int(msgspec.json.decode(answer.body)["sequence"]) if answer.status == 202 else None

    async def visit(self, users: Sequence[UUID]) -> None:
        """Each asks until there is a feed, which stays in the cache, and remembers what is in it."""
        left = iter(users)

        async def ask_on(connection: Connection) -> None:
            for user_id in left:
                while not (shown := list(_posts_of((await self.read(connection, user_id, _PATIENT))[0]))):  # noqa: ASYNC110 - the service tells nobody
                    # Workers are there a little later than the service is ready.
                    await asyncio.sleep(0.1)
                self.pages[user_id] = shown

        async with asyncio.timeout(VISITED_WITHIN_SECONDS):
            await _each_connected(self.port, PROBES, ask_on)
        self.statuses.clear()

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Inside the block visitors act, one half by INSERT and the other by POST."""

        async def act_on(connection: Connection) -> None:
            for is_posted in itertools.cycle((False, True)):
                await self.acts.turn()
                user_id = self.random.choice(self.visitors)
                post_id = self.random.choice(self.pages[user_id])
                if is_posted:
                    await self.post(connection, user_id, post_id)
                else:
                    await self.insert((user_id, post_id, "view"))

        async with _meanwhile(_each_connected(self.port, ACTORS, act_on)):
            yield


@app.command()
def freshness(
    users: Annotated[int, typer.Option(min=1_000, max=1_000_000, help="In the model.")] = 100_000,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Of acts and reads.")] = 30,
    posts: Annotated[int, typer.Option(min=1, max=100, help="New ones that a community likes.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Cached reads, without and with acts.")] = 3,
    round_seconds: Annotated[int, typer.Option(min=1, max=600, help="Of each half of a round.")] = 5,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Start a whole service, let 100 interactions and 50 reads a second go on, and look how soon they count."""
    figures = run_to_end(measure(users, seconds, posts, rounds, round_seconds, seed))
    print(msgspec.json.encode(asdict(figures)).decode()) if as_json else console.print(_table(figures))


async def measure(
    users: int, seconds: float, posts: int, rounds: int, round_seconds: int, seed: int
) -> FreshnessFigures:
    """All of it in a folder of its own, which goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="threads-ml-bench-") as folder:
        service = OwnService(Path(folder), free_port())
        async with EmbeddedPostgres(service.folder / "data" / "postgres") as postgres:
            await migrate(postgres.url)
            await fill_with_community(postgres.url, users, seed)
            await prepare_feedless(postgres.url)
            members = {user_of(row) for row in range(MEMBERS)}
            known = await users_with_history(postgres.url, min(VISITORS, users // 4) + MEMBERS, seed)
            visitors = [user_id for user_id in map(UUID, known) if user_id not in members]
        await service.run("train", "--no-gate")
        async with service.up(), _pool_of(service) as pool:
            traffic = Traffic(service.port, pool, visitors, seed)
            return await _measured(traffic, users, seconds, posts, rounds, round_seconds, service.folder)


@asynccontextmanager
async def _pool_of(service: OwnService) -> AsyncIterator[Any]:
    url = msgspec.json.decode(await service.run("status", "--json"))["database_url"]
    async with asyncpg.create_pool(url, min_size=1, max_size=ACTORS) as pool:
        yield pool


async def _measured(
    traffic: Traffic, users: int, seconds: float, posts: int, rounds: int, round_seconds: int, folder: Path
) -> FreshnessFigures:
    await traffic.visit([*traffic.visitors, *(user_of(row) for row in range(MEMBERS))])
    async with traffic.going_on():
        probes, acts_a_second, reads_a_second = await _probed(traffic, seconds)
        post_figures = [await _new_post(traffic) for _ in range(posts)]
    reads = [await _read_round(traffic, round_seconds, folder) for _ in range(rounds)]
    processor = await _processor_figures(traffic, reads, seconds)
    return FreshnessFigures(
        users=users,
        visitors=len(traffic.visitors),
        acts_a_second=acts_a_second,
        reads_a_second=reads_a_second,
        to_feed=_by_way(probes, lambda probe: probe.to_feed),
        to_hidden=_by_way(probes, lambda probe: probe.to_hidden),
        given_up=sum(probe.to_feed is None for probe in probes),
        posts=post_figures,
        reads_by="wrk" if shutil.which("wrk") else "own load",
        rounds=reads,
        kept_share=statistics.median(one.share for one in reads),
        processor=processor,
        statuses=dict(traffic.statuses),
    )


async def _probed(traffic: Traffic, seconds: float) -> tuple[list[Probe], float, float]:
    """What became of the acts of those who went on reading, and how many acts and reads a second there were."""
    turns = itertools.cycle(traffic.visitors)
    probes: list[Probe] = []
    began, acts, reads = time.monotonic(), traffic.acts.granted, traffic.reads.granted

    async def probe_on(connection: Connection) -> None:
        number = 0
        while time.monotonic() < began + seconds:
            probe = await _probe(traffic, connection, next(turns), is_posted=number % 2 == 1)
            probes.extend([probe] if probe is not None else [])
            number += 1

    await _each_connected(traffic.port, PROBES, probe_on)
    took = time.monotonic() - began
    return probes, (traffic.acts.granted - acts) / took, (traffic.reads.granted - reads) / took


async def _probe(traffic: Traffic, connection: Connection, user_id: UUID, *, is_posted: bool) -> Probe | None:
    """Read a page, act on a post of it, and read on until a feed knows of that. None where nothing was to act on."""
    await traffic.reads.turn()
    page, _ = await traffic.read(connection, user_id)
    post_id = next(_posts_of(page), None)
    if post_id is None:
        return None
    await traffic.acts.turn()
    is_known = await _acted(traffic, connection, user_id, post_id, is_posted=is_posted)
    if is_known is None:
        return None
    committed, to_hidden = time.monotonic(), None
    while time.monotonic() < committed + AT_MOST_SECONDS:
        await traffic.reads.turn()
        page, moment = await traffic.read(connection, user_id)
        if not page or post_id in _posts_of(page):
            continue
        to_hidden = to_hidden or moment - committed
        if is_known(page):
            return Probe(is_posted, to_hidden, moment - committed)
    return Probe(is_posted, to_hidden, None)


async def _acted(
    traffic: Traffic, connection: Connection, user_id: UUID, post_id: UUID, *, is_posted: bool
) -> Callable[[Mapping[str, Any]], bool] | None:
    """Whether a page's feed knows of the act, which is committed by then; None where it was not recorded."""
    if not is_posted:
        inserted = await traffic.insert((user_id, post_id, "view"))
        return lambda page: "built_up_to" in page and datetime.fromisoformat(page["built_up_to"]) >= inserted
    sequence = await traffic.post(connection, user_id, post_id)
    return None if sequence is None else lambda page: page.get("sequence", 0) >= sequence


async def _new_post(traffic: Traffic) -> PostFigures:
    """Some members like a post that nobody knew; others, who go on with theirs, ask until they are given it."""
    post_id = uuid4()
    drawn = traffic.random.sample(range(MEMBERS), LIKERS + ASKING)
    asking = [user_of(row) for row in drawn[LIKERS:]]
    left = iter(asking)
    reached: list[float] = []
    committed = asyncio.get_running_loop().create_future()

    async def ask_on(connection: Connection) -> None:
        user_id = next(left)
        async with _meanwhile(_go_on(traffic, user_id)):
            began = await committed
            while time.monotonic() < began + AT_MOST_SECONDS and 2 * len(reached) < len(asking):
                await traffic.reads.turn()
                page, moment = await traffic.read(connection, user_id)
                if post_id in _posts_of(page):
                    reached.append(moment - began)
                    return

    members = asyncio.create_task(_each_connected(traffic.port, ASKING, ask_on))
    await asyncio.sleep(MEMBER_ACTS_EVERY_SECONDS)
    await traffic.insert(*((user_of(row), post_id, "like") for row in drawn[:LIKERS]))
    committed.set_result(time.monotonic())
    await members
    reached.sort()
    half = (len(asking) + 1) // 2
    return PostFigures(
        asking=len(asking),
        reached=len(reached),
        first_seconds=reached[0] if reached else None,
        half_seconds=reached[half - 1] if len(reached) >= half else None,
    )


async def _go_on(traffic: Traffic, user_id: UUID) -> None:
    """A member looks at posts that members know."""
    await asyncio.sleep(traffic.random.uniform(0, MEMBER_ACTS_EVERY_SECONDS))
    while True:
        await traffic.acts.turn()
        await traffic.insert((user_id, post_of(traffic.random.randrange(MEMBERS_POSTS)), "view"))
        await asyncio.sleep(MEMBER_ACTS_EVERY_SECONDS)


async def _read_round(traffic: Traffic, seconds: int, folder: Path) -> ReadRound:
    """The same visitors' feeds are read as fast as they come, in both halves."""
    await asyncio.sleep(SETTLED_SECONDS)
    async with _taken(traffic) as calm_taken:
        calm = await _reads_a_second(traffic, seconds, folder)
    async with traffic.going_on():
        await asyncio.sleep(SETTLED_SECONDS)
        async with _taken(traffic) as busy_taken:
            busy = await _reads_a_second(traffic, seconds, folder)
    return ReadRound(calm, busy, calm_taken, busy_taken)


async def _reads_a_second(traffic: Traffic, seconds: int, folder: Path) -> float:
    wrk = shutil.which("wrk")
    if wrk is None:
        return await _reads_by_own_load(traffic, seconds)
    bodies = [msgspec.json.encode({"user_id": user_id}).decode() for user_id in traffic.visitors]
    script = folder / "visitors.lua"
    script.write_text(listed_script(bodies))
    rate, _ = await measure_by_wrk(wrk, script, traffic.port, seconds)
    return rate


async def _reads_by_own_load(traffic: Traffic, seconds: int) -> float:
    requests = itertools.cycle([_generate_request(user_id) for user_id in traffic.visitors])
    stop, answers = asyncio.Event(), list[Answer]()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(Connection(HOST, traffic.port, TIMEOUT_SECONDS)) for _ in range(CONNECTIONS)
        ]
        await steady_load(connections, lambda: next(requests), stop, answers.append)
    return sum(answer.status == 200 for answer in answers) / seconds


async def _processor_figures(traffic: Traffic, rounds: Sequence[ReadRound], seconds: float) -> ProcessorFigures:
    """What acts alone take is measured beside nothing, and subtracted where reads go on."""
    act = await _act_seconds(traffic, seconds)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    service_share = ACTS_A_SECOND * _sum_of(act, SERVICE) / cores
    calm, beside = (_read_seconds(rounds, act, kinds=SERVICE, is_busy=is_busy) for is_busy in (False, True))
    web, web_beside = (_read_seconds(rounds, act, kinds=("web",), is_busy=is_busy) for is_busy in (False, True))
    return ProcessorFigures(
        cores=cores,
        act_milliseconds={kind: 1e3 * taken for kind, taken in act.items()},
        service_share=service_share,
        read_microseconds=1e6 * calm,
        read_microseconds_beside_acts=1e6 * beside,
        kept_share=min((1 - service_share) * calm / beside, (1 - ACTS_A_SECOND * act["web"]) * web / web_beside),
    )


async def _act_seconds(traffic: Traffic, seconds: float) -> Mapping[str, float]:
    """Of processor time for each act, by kind of process, what they take anyhow subtracted."""
    await asyncio.sleep(SETTLED_SECONDS)
    async with _taken(traffic) as idle:
        await asyncio.sleep(seconds)
    async with traffic.going_on():
        await asyncio.sleep(SETTLED_SECONDS)
        acts, began = traffic.acts.granted, time.monotonic()
        async with _taken(traffic) as busy:
            await asyncio.sleep(seconds)
        acts_a_second = (traffic.acts.granted - acts) / (time.monotonic() - began)
    return {kind: max(0.0, taken - idle[kind]) / acts_a_second for kind, taken in busy.items()}


def _read_seconds(
    rounds: Sequence[ReadRound], act: Mapping[str, float], *, kinds: Sequence[str], is_busy: bool
) -> float:
    """Of processor time that these kinds of processes take for a read."""
    if is_busy:
        acts = ACTS_A_SECOND * _sum_of(act, kinds)
        return statistics.median((_sum_of(one.busy_taken, kinds) - acts) / one.busy for one in rounds)
    return statistics.median(_sum_of(one.calm_taken, kinds) / one.calm for one in rounds)


def _sum_of(taken: Mapping[str, float], kinds: Sequence[str]) -> float:
    return sum(taken[kind] for kind in kinds)


@asynccontextmanager
async def _taken(traffic: Traffic) -> AsyncIterator[dict[str, float]]:
    """Processor seconds a second inside the block, by kind of process; there when it is over."""
    taken: dict[str, float] = {}
    watch = ProcessWatch(_PROCESSES, await traffic.backends())
    began, load = time.monotonic(), time.process_time()
    async with watch.watching():
        yield taken
    spent = watch.processor_seconds
    spent[LOAD] += time.process_time() - load
    taken.update({kind: seconds / (time.monotonic() - began) for kind, seconds in spent.items()})


@asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The work goes on inside the block, which ends where the work fails."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()


async def _each_connected(port: int, count: int, work: Callable[[Connection], Coroutine[Any, Any, None]]) -> None:
    """The work so many times at once, each with a connection of its own."""

    async def connected() -> None:
        async with Connection(HOST, port, TIMEOUT_SECONDS) as connection:
            await work(connection)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(connected())


def _generate_request(user_id: UUID, headers: str = "") -> bytes:
    return post_request(GENERATE, msgspec.json.encode({"user_id": user_id}), headers)


def _posts_of(page: Mapping[str, Any]) -> Iterator[UUID]:
    return (UUID(item["post_id"]) for item in page.get("recommendations", ()))


def _by_way(probes: Sequence[Probe], seconds_of: Callable[[Probe], float | None]) -> dict[str, Percentiles]:
    return {
        "all": _percentiles([seconds_of(probe) for probe in probes]),
        "inserted": _percentiles([seconds_of(probe) for probe in probes if not probe.is_posted]),
        "posted": _percentiles([seconds_of(probe) for probe in probes if probe.is_posted]),
    }


def _percentiles(seconds: Sequence[float | None]) -> Percentiles:
    """Of those that were not given up."""
    known = [second for second in seconds if second is not None]
    if not known:
        return Percentiles(0, None, None)
    return Percentiles(len(known), percentile(known, 0.5), percentile(known, 0.99))


def _table(figures: FreshnessFigures) -> Table:
    title = (
        f"{figures.users:,} users, {figures.acts_a_second:.0f} interactions and {figures.reads_a_second:.0f} reads a "
        f"second by {figures.visitors:,} of them"
    )
    table = Table("from a commit to", "acts", "p50 s", "p99 s", "aim", title=title)
    aims = {"a feed that knows": f"{AIM_P50_SECONDS:g}, {AIM_P99_SECONDS:g}", "an answer without the post": ""}
    for (name, aim), ways in zip(aims.items(), (figures.to_feed, figures.to_hidden), strict=True):
        for way, one in ways.items():
            table.add_row(f"{name}, {way}", str(one.count), _said(one.p50), _said(one.p99), aim)
    table.add_row("given up", str(figures.given_up), "", "", "0")
    for post in figures.posts:
        name = f"new post: first, half of {post.asking}"
        table.add_row(
            name, str(post.reached), _said(post.first_seconds), _said(post.half_seconds), f"{AIM_POST_SECONDS:g}"
        )
    shares = ", ".join(f"{one.share:.2f}" for one in figures.rounds)
    table.add_row(f"kept of cached reads ({shares})", "", f"{figures.kept_share:.2f}", "", f"{AIM_SHARE:g}")
    processor = figures.processor
    table.add_row("the same by the service's processor time", "", f"{processor.kept_share:.2f}", "", f"{AIM_SHARE:g}")
    table.add_row(f"taken of {processor.cores} cores for acts", "", f"{processor.service_share:.2f}", "", "")
    acts = ((kind, taken) for kind, taken in processor.act_milliseconds.items() if taken >= LEAST_SAID)
    kinds = ", ".join(f"{kind} {taken:.2f}" for kind, taken in acts)
    reads = f"{processor.read_microseconds:.0f} µs, beside acts {processor.read_microseconds_beside_acts:.0f} µs"
    table.caption = f"Processor time of an act in ms: {kinds}. Of a cached read: {reads}."
    return table


def _said(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


if __name__ == "__main__":
    app()
