"""`threads-ml jobs`: the jobs that failed for good, and what is to become of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from core.application.ports.dead_letters import DeadLetter, DeadLetters
from core.domain.errors import ConfigurationError, InvalidInput, NotFound
from core.infrastructure.redis_dead_letters import RedisDeadLetters
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, print_table, run_to_end
from scripts.wiring import open_broker, open_platform, settings_for

SHOWN_ERROR_CHARACTERS = 80

Ids = Annotated[list[str] | None, typer.Argument(help="Ids as `jobs list` shows them; so many first letters will do.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]

app = command_app()


@app.callback()
def _jobs() -> None:
    """Look at dead letters, send them again, or forget them."""


@app.command(name="list")
def list_jobs(*, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Jobs that failed for good in the last week, the latest first."""
    letters = run_to_end(_all(data_dir))
    if as_json:
        _print_json([msgspec.to_builtins(letter) for letter in letters])
    elif letters:
        print_table(_table(letters))
    else:
        console.print("no job has failed for good")


@app.command()
def show(job: Annotated[str, typer.Argument()], *, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """One of them, whole, as JSON."""

    async def found() -> DeadLetter:
        (letter,) = _named(await _all(data_dir), [job])
        return letter

    _print_json(msgspec.to_builtins(run_to_end(found())))


@app.command()
def retry(ids: Ids = None, *, everything: Everything = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Put jobs into their queues again, to be tried as often as new ones."""

    async def retried() -> int:
        async with _open(data_dir) as letters:
            return await letters.retry([letter.id for letter in await _chosen(letters, ids, everything=everything)])

    console.print(f"{run_to_end(retried()):,} jobs are in the queue again")


@app.command()
def drop(ids: Ids = None, *, everything: Everything = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Forget jobs."""

    async def dropped() -> int:
        async with _open(data_dir) as letters:
            return await letters.drop([letter.id for letter in await _chosen(letters, ids, everything=everything)])

    console.print(f"{run_to_end(dropped()):,} jobs are forgotten")


@asynccontextmanager
async def _open(data_dir: Path) -> AsyncIterator[DeadLetters]:
    # Beside an own Postgres there is an own Redis too; beside a given one none is made up.
    with_redis = not settings_for(data_dir).database_url
    async with open_platform(data_dir, with_redis=with_redis) as settings:
        if not settings.effective_broker_url:
            raise ConfigurationError("neither BROKER_URL nor REDIS_URL is set: there is no queue to look at")
        async with open_broker(settings) as client:
            yield RedisDeadLetters(client)


async def _all(data_dir: Path) -> Sequence[DeadLetter]:
    async with _open(data_dir) as letters:
        return await letters.all()


async def _chosen(letters: DeadLetters, ids: list[str] | None, *, everything: bool) -> Sequence[DeadLetter]:
    if everything == bool(ids):
        raise InvalidInput("say which: either ids, or --all")
    found = await letters.all()
    return found if everything else _named(found, ids or [])


def _named(letters: Sequence[DeadLetter], ids: Sequence[str]) -> list[DeadLetter]:
    """Those whose ids begin so, each of which must be one alone. Raises NotFound, InvalidInput."""
    named = []
    for id_ in ids:
        found = [letter for letter in letters if letter.id.startswith(id_)]
        if not found:
            raise NotFound(f"there is no dead letter {id_}: `threads-ml jobs list` shows which there are")
        if len(found) > 1:
            raise InvalidInput(f"{len(found)} dead letters begin with {id_}: write more of the one you mean")
        named += found
    return named


def _table(letters: Sequence[DeadLetter]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("id", "queue", "died", "attempts", "user", "request", "error"):
        table.add_column(column)
    for letter in letters:
        table.add_row(
            letter.id,
            letter.queue.value,
            f"{letter.died_at:%Y-%m-%d %H:%M:%S}",
            str(letter.attempts),
            str(letter.user_id or ""),
            letter.request_id or "",
            letter.error[:SHOWN_ERROR_CHARACTERS],
        )
    return table


def _print_json(document: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


if __name__ == "__main__":
    app()
