"""`threads-ml enqueue`: ask for the feeds of all active users."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.application.enqueue_active_users import BulkProgress, BulkRequest, FollowBulk
from core.domain.errors import InvalidInput, ThreadsMlError
from core.domain.job import Queue
from core.settings import Settings
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.wiring import Bulk, open_bulk, open_platform, run_worker

LOOK_EVERY_SECONDS = 0.2
app = command_app()


def _nothing_to_check() -> None:
    """Workers that others run are theirs to watch."""


class FeedsMissing(ThreadsMlError):
    """The queue is empty and not every user has the feed that was asked for."""


@app.command()
def enqueue(
    days: Annotated[
        int | None, typer.Option(min=1, help="Users active within so many days before data-now. [default: ACTIVE_DAYS]")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All users at the cold-start threshold.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show progress until the feeds are there; starts a worker if none lives.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Enqueue a generate job for every active user."""
    run_to_end(_enqueue(days, data_dir, everyone=everyone, wait=wait))


async def _enqueue(days: int | None, data_dir: Path, *, everyone: bool, wait: bool) -> None:
    if everyone and days is not None:
        raise InvalidInput("--days and --all exclude each other: give one of them")
    async with open_platform(data_dir, with_redis=True) as settings, open_bulk(settings) as bulk:
        within_days = None if everyone else (days or settings.active_days)
        if not wait:
            await _only_enqueue(bulk, within_days)
            return
        async with _some_worker(bulk, settings, data_dir / "logs") as check:
            await generate_with_progress(bulk, within_days, check)


async def _only_enqueue(bulk: Bulk, within_days: int | None) -> None:
    request = await bulk.enqueue(within_days, _request_id())
    console.print(f"enqueued {len(request.user_ids):,} users")
    if not await bulk.queue.workers_alive(Queue.FEEDS_BULK):
        console.print("no worker-bulk lives at the moment: the jobs wait for one")


@asynccontextmanager
async def _some_worker(bulk: Bulk, settings: Settings, log_folder: Path) -> AsyncIterator[Callable[[], None]]:
    """Gives a check that raises when the worker that was started cannot run at all."""
    if await bulk.queue.workers_alive(Queue.FEEDS_BULK):
        yield _nothing_to_check
        return
    console.print("no worker-bulk lives: starting one until this is done")
    async with run_worker(settings, Queue.FEEDS_BULK, log_folder) as supervisor:
        yield supervisor.check


async def generate_with_progress(
    bulk: Bulk, within_days: int | None, check: Callable[[], None] = _nothing_to_check
) -> BulkProgress:
    """Enqueue and watch until the queue is empty; raises FeedsMissing when some users got no feed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("feeds", total=None)
        request = await bulk.enqueue(within_days, _request_id(), lambda count: bar.update(task, total=count))
        bar.update(task, total=len(request.user_ids))
        progress = await _until_over(bulk.follow, request, lambda done: bar.update(task, completed=done), check)
    if progress.done < progress.total:
        raise FeedsMissing(
            f"{progress.total - progress.done:,} of {progress.total:,} users got no feed: the workers' log says why"
        )
    console.print(f"{progress.done:,} users have a new feed")
    return progress


async def _until_over(
    follow: FollowBulk, request: BulkRequest, show: Callable[[int], None], check: Callable[[], None]
) -> BulkProgress:
    while True:
        check()
        progress = await follow(request)
        show(progress.done)
        if progress.is_over:
            return progress
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _request_id() -> str:
    return f"bulk-{uuid4()}"


if __name__ == "__main__":
    app()
