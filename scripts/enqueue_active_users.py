"""`threads-ml enqueue`: make the feeds of all active users in one run."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from core.application.continue_run import USERS_AT_ONCE
from core.application.ports.run_ledger import RunLedger
from core.domain.errors import InvalidInput, NotFound, RunTakenOver, ThreadsMlError, Unavailable
from core.domain.ids import to_uuid
from core.domain.job import Queue
from core.domain.run import Run, RunKind, RunRequest, RunState
from core.infrastructure.process_supervisor import ProcessSupervisor
from core.infrastructure.task_ending import end_task
from core.settings import MOST_DAYS, Settings
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, operator, run_to_end
from scripts.wiring import Bulk, open_bulk, open_platform, run_worker

LOOK_EVERY_SECONDS, LOOK_AT_LEAST_EVERY_SECONDS = 0.2, 2.0
# Looking after ten thousand users with a message each costs Postgres a tenth of a second, which workers need.
PAUSE_PER_LOOK = 9
CHUNK_SIZE, LEAST_CHUNK_SIZE = 500, 2
LEAST_RATE = 0.001
MOST_NAMED = 20
LONGEST_ID = 128
MOMENT_FORMATS = ["%Y-%m-%dT%H:%M:%S%z"]
BYTE_ORDER_MARK = "\ufeff"  # which Windows puts before a text
# Of a feed of 150 posts with its index entry, measured; shorter feeds take less.
BYTES_PER_FEED = {"Postgres": 4200, "Redis": 4700}
app = command_app()


async def _nothing_to_check() -> None:
    """Workers that others run are theirs to watch."""


class FeedsMissing(ThreadsMlError):
    """The run is over and not every user has a feed."""


@dataclass(frozen=True, slots=True)
class _Wishes:
    """The command's options that say how, not whose."""

    wait: bool
    force: bool


@app.command()
def enqueue(
    days: Annotated[
        int | None, typer.Option(help="Users active within so many days before data-now. [default: ACTIVE_DAYS]")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All users at the cold-start threshold.")] = False,
    users: Annotated[
        Path | None, typer.Option("--users", help="The users named in the file, one id a line; - is standard input.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Refuse unless this model serves.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="No more users than that.")] = None,
    chunk: Annotated[
        int | None,
        typer.Option(
            "--chunk",
            help=f"Users a job, {CHUNK_SIZE} or a second's unless given; 1: the message that a web process sends.",
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", help="Put no more users a second into the queue, whoever goes on with it.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show progress until the feeds are there; starts a worker if none lives.")
    ] = False,
    resume: Annotated[str | None, typer.Option("--resume", help="Go on with this run.")] = None,
    once_since: Annotated[
        datetime | None,
        typer.Option(
            "--once-since",
            formats=MOMENT_FORMATS,
            help="Go on with the same that was begun since then (ISO 8601 with a zone), if it was.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, and estimate time and space.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also while another run of the kind is active.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a new feed for every active user."""
    run_to_end(
        _enqueue(
            _Asked(days, everyone, users, model, limit, chunk, rate, resume, once_since, dry_run),
            _Wishes(wait, force),
            data_dir,
        )
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The command's options that say whose feeds, checked before anything is opened."""

    days: int | None
    everyone: bool
    users: Path | None
    model: str | None
    limit: int | None
    chunk: int | None
    rate: float | None
    resume: str | None
    once_since: datetime | None
    dry_run: bool

    def check(self) -> None:
        """Raises InvalidInput."""
        whose = [name for name, given in (
            ("--days", self.days is not None), ("--all", self.everyone), ("--users", self.users is not None),
            ("--resume", self.resume is not None),
        ) if given]  # fmt: skip
        if len(whose) > 1:
            raise InvalidInput(f"{' and '.join(whose)} exclude each other: give one of them")
        numbers = {
            "--days": (self.days, MOST_DAYS),
            "--chunk": (self.chunk, USERS_AT_ONCE),
            "--limit": (self.limit, 2**31),
        }
        for name, (number, most) in numbers.items():
            if number is not None and not 1 <= number <= most:
                raise InvalidInput(f"{name} {number} is wrong: a number from 1 to {most:,} is expected")
        if self.rate is not None and not LEAST_RATE <= self.rate < float("inf"):
            raise InvalidInput(f"--rate {self.rate:g} is wrong: users a second are expected, at least {LEAST_RATE:g}")
        self._check_alone()

    def _check_alone(self) -> None:
        """A run keeps what it was begun with."""
        others = {
            "--model": self.model, "--limit": self.limit, "--chunk": self.chunk, "--rate": self.rate,
            "--once-since": self.once_since,
        }  # fmt: skip
        given = [name for name, value in others.items() if value is not None] + ["--dry-run"] * self.dry_run
        if self.once_since is not None and self.users is not None:
            raise InvalidInput("--users and --once-since exclude each other: runs of named users are not compared")
        if self.resume is not None and given:
            raise InvalidInput(f"{given[0]} and --resume exclude each other: a run keeps what it was begun with")

    def request(self, settings: Settings) -> RunRequest:
        """The same for the ledger."""
        return RunRequest(
            kind=RunKind.ACTIVE_USERS if self.users is None else RunKind.NAMED_USERS,
            within_days=None if self.everyone or self.users is not None else (self.days or settings.active_days),
            limit=self.limit,
            chunk_size=self.chunk or self._suitable_chunk_size(),
            min_posts=settings.cold_start_min_interactions,
            model_version=self.model,
            users_per_s=self.rate,
        )

    def _suitable_chunk_size(self) -> int:
        """A job comes at once: one of more users than a second may have would be a burst."""
        return CHUNK_SIZE if self.rate is None else min(CHUNK_SIZE, max(LEAST_CHUNK_SIZE, int(self.rate)))


async def _enqueue(asked: _Asked, wishes: _Wishes, data_dir: Path) -> None:
    asked.check()
    user_ids = None if asked.users is None else await asyncio.to_thread(read_users, asked.users)
    async with open_platform(data_dir, with_redis=True) as settings, open_bulk(settings) as bulk:
        if asked.dry_run:
            await _tell_size(bulk, asked.request(settings), user_ids)
            return
        run = await _run_to_go_on_with(bulk, asked, settings, user_ids, beside_others=wishes.force)
        if not run.is_active:
            console.print(f"run {run.id} is over ({run.state.value}): nothing is left to do")
            return
        if not wishes.wait:
            await _only_enqueue(bulk, run)
            return
        async with AsyncExitStack() as stack:
            spare_worker = _SpareWorker(stack, bulk, settings, data_dir / "logs")
            await spare_worker()
            await _with_progress(bulk, run, spare_worker)


async def _run_to_go_on_with(
    bulk: Bulk, asked: _Asked, settings: Settings, user_ids: Sequence[UUID] | None, *, beside_others: bool
) -> Run:
    request = asked.request(settings)
    run = await _run_begun_before(bulk, asked, request)
    if run is None:
        return await bulk.start(request, operator(), user_ids, beside_others=beside_others)
    # Those in the queue already find nothing to do when they come a second time.
    await bulk.go_on.enqueue_open(run, await bulk.ledger.moment())
    return run


async def _run_begun_before(bulk: Bulk, asked: _Asked, request: RunRequest) -> Run | None:
    if asked.once_since is not None:
        return await bulk.start.begun_since(request, asked.once_since)
    if asked.resume is None:
        return None
    run = await named_run(bulk.ledger, asked.resume)
    if not run.is_active:
        raise InvalidInput(f"run {run.id} is over ({run.state.value}): begin a new one")
    return run


async def named_run(ledger: RunLedger, text: str) -> Run:
    """The run of that id. Raises NotFound."""
    try:
        run = await ledger.find(UUID(text))
    except ValueError:
        run = None
    if run is None:
        raise NotFound(f"there is no run {text}: `threads-ml runs list` shows which there are")
    return run


def read_users(path: Path) -> list[UUID]:
    """The ids of the file's lines, empty ones left out. Raises InvalidInput, naming lines that cannot be ids."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
    lines = text.removeprefix(BYTE_ORDER_MARK).splitlines()
    found = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    wrong = [str(number) for number, text in found if len(text) > LONGEST_ID or not text.isprintable() or "," in text]
    if wrong:
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        raise InvalidInput(
            f"{path}: no user ids in lines {', '.join(wrong[:MOST_NAMED])}{more}: one id a line is expected"
        )
    if not found:
        raise InvalidInput(f"{path} names no users")
    return [to_uuid(text) for _, text in found]


async def _tell_size(bulk: Bulk, request: RunRequest, user_ids: Sequence[UUID] | None) -> None:
    """How many users, and what earlier runs say of time and space."""
    await bulk.start.served(request.model_version)
    count = len(set(user_ids)) if user_ids is not None else await _counted(bulk, request)
    count = count if request.limit is None else min(count, request.limit)
    space = ", ".join(f"{count * size / 1e6:,.0f} MB in {name}" for name, size in BYTES_PER_FEED.items())
    console.print(f"{count:,} users in {-(-count // request.chunk_size):,} jobs; about {space}")
    speeds = [speed for speed in (await bulk.ledger.speed(), request.users_per_s) if speed is not None]
    if not speeds:
        console.print("no run has been completed yet: how long it takes cannot be told")
        return
    origin = "asked for" if min(speeds) == request.users_per_s else "of the fastest of the last runs"
    console.print(f"about {count / min(speeds):,.0f} s at the {min(speeds):,.0f} users/s {origin}")


async def _counted(bulk: Bulk, request: RunRequest) -> int:
    count = 0
    async for batch in bulk.active_users.batches(request.within_days, request.min_posts):
        count += len(batch)
    return count


async def _only_enqueue(bulk: Bulk, run: Run) -> None:
    run = await bulk.go_on(run)
    console.print(f"run {run.id}: enqueued {run.counts.users:,} users")
    if not await bulk.queue.workers_alive(Queue.FEEDS_BULK):
        console.print("no worker-bulk lives at the moment: the jobs wait for one")


class _SpareWorker:
    """Starts a worker when none lives (any more); raises when that one cannot run at all."""

    def __init__(self, stack: AsyncExitStack, bulk: Bulk, settings: Settings, log_folder: Path) -> None:
        self._stack, self._bulk, self._settings, self._log_folder = stack, bulk, settings, log_folder
        self._supervisor: ProcessSupervisor | None = None

    async def __call__(self) -> None:
        if self._supervisor is not None:
            self._supervisor.check()
        elif not await self._bulk.queue.workers_alive(Queue.FEEDS_BULK):
            console.print("no worker-bulk lives: starting one until this is done")
            worker = run_worker(self._settings, Queue.FEEDS_BULK, self._log_folder)
            self._supervisor = await self._stack.enter_async_context(worker)


async def generate_with_progress(bulk: Bulk, request: RunRequest, *, beside_others: bool = False) -> Run:
    """Begin a run and watch it to its end; raises FeedsMissing when some users got no feed."""
    return await _with_progress(bulk, await bulk.start(request, operator(), beside_others=beside_others))


async def _with_progress(bulk: Bulk, run: Run, check: Callable[[], Awaitable[None]] = _nothing_to_check) -> Run:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    console.print(f"run {run.id}")
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("feeds", total=None, told="")
        enqueuing = asyncio.create_task(bulk.go_on(run))
        try:
            run = await _until_over(bulk, run, lambda seen: _show(bar, task, seen), check, enqueuing)
        except Unavailable as error:
            raise type(error)(f"{error}; run {run.id} is not over: --resume {run.id} goes on with it") from error
        finally:
            await end_task(enqueuing)
    return await _ended(bulk, run)


async def _until_over(
    bulk: Bulk,
    run: Run,
    show: Callable[[Run], None],
    check: Callable[[], Awaitable[None]],
    enqueuing: "asyncio.Task[Run]",
) -> Run:
    while True:
        began = time.monotonic()
        await check()
        if enqueuing.done():
            with suppress(RunTakenOver):  # what becomes of the run can be seen, whoever goes on with it
                enqueuing.result()
        run = await bulk.follow(run.id)
        show(run)
        if not run.is_active:
            return run
        pause = PAUSE_PER_LOOK * (time.monotonic() - began)
        await asyncio.sleep(min(max(pause, LOOK_EVERY_SECONDS), LOOK_AT_LEAST_EVERY_SECONDS))


def _show(bar: Progress, task: TaskID, run: Run) -> None:
    seconds = (datetime.now(UTC) - run.started_at).total_seconds()
    told = f"{run.counts.finished / max(seconds, 1e-3):,.0f} users/s"
    if run.counts.set_aside:
        told += f", {run.counts.set_aside:,} failed"
    # Before all users are known nobody can tell when the last is done.
    total = run.counts.users if run.is_enumerated else None
    bar.update(task, completed=run.counts.finished, total=total, told=told)


async def _ended(bulk: Bulk, run: Run) -> Run:
    counts = run.counts
    if run.state is RunState.CANCELLED:
        raise FeedsMissing(f"run {run.id} was cancelled: {counts.finished:,} of {counts.users:,} users are done")
    if counts.set_aside:
        named = ", ".join(str(one.user_id) for one in (await bulk.ledger.set_aside(run.id))[:MOST_NAMED])
        raise FeedsMissing(
            f"{counts.set_aside:,} of {counts.users:,} users got no feed: {named}; "
            f"`threads-ml runs show {run.id}` says why"
        )
    console.print(f"{counts.stored + counts.kept:,} users have a new feed")
    return run


if __name__ == "__main__":
    app()
