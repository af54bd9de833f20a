"""`threads-ml runs`: bulk generations, how far they have got, and who was left out."""

from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from core.application.follow_run import FollowRun
from core.application.ports.run_ledger import RunLedger
from core.domain.errors import InvalidInput
from core.domain.run import Run
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, print_table, run_to_end
from scripts.enqueue_active_users import named_run
from scripts.wiring import open_ledger, open_platform

MOST_LISTED = 50

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id, as `runs list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]

app = command_app()


@app.callback()
def _runs() -> None:
    """Look at runs, or end one."""


@app.command(name="list")
def list_runs(*, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """The last runs, the latest first."""

    async def latest(ledger: RunLedger) -> list[Run]:
        return list(await ledger.latest(MOST_LISTED))

    runs = run_to_end(_with_ledger(latest, data_dir))
    if as_json:
        _print_json(list(map(_document, runs)))
    elif runs:
        print_table(_table(runs))
    else:
        console.print("there has been no run yet")


@app.command()
def show(run: RunId, *, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """One of them with the users who got no feed, as JSON."""

    async def found(ledger: RunLedger) -> dict[str, Any]:
        seen = await FollowRun(ledger)((await named_run(ledger, run)).id)
        set_aside = [msgspec.to_builtins(one) for one in await ledger.set_aside(seen.id)]
        return _document(seen) | {"users_set_aside": set_aside}

    _print_json(run_to_end(_with_ledger(found, data_dir)))


@app.command()
def cancel(run: RunId, *, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Let no further job of a run begin; feeds that are made stay."""

    async def cancelled(ledger: RunLedger) -> None:
        found = await named_run(ledger, run)
        if not await ledger.cancel(found.id):
            raise InvalidInput(f"run {found.id} is over already ({found.state.value})")

    run_to_end(_with_ledger(cancelled, data_dir))
    console.print(f"run {run} is cancelled")


async def _with_ledger(work: Any, data_dir: Any) -> Any:
    async with open_platform(data_dir) as settings, open_ledger(settings) as ledger:
        return await work(ledger)


def _document(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(run)
    return document | {"finished": run.counts.finished}


def _table(runs: list[Run]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("run", "state", "started", "by", "users", "done", "failed", "seconds"):
        table.add_column(column)
    for run in runs:
        seconds = "" if run.finished_at is None else f"{(run.finished_at - run.started_at).total_seconds():,.1f}"
        table.add_row(
            str(run.id),
            run.state.value,
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            run.started_by,
            f"{run.counts.users:,}",
            f"{run.counts.finished:,}",
            f"{run.counts.set_aside:,}",
            seconds,
        )
    return table


def _print_json(document: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


if __name__ == "__main__":
    app()
