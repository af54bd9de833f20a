"""`threads-ml bench bulk-growth`: bulk generation for ever more users: time, memory and space."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from scripts.bench.bulk import TARGET_USERS_PER_S, BulkFigures, measure
from scripts.bench.bulk_plot import bulk_plot
from scripts.bench.growth import numbers_of
from scripts.command import command_app, console, run_to_end

_USERS_PER_POST = 2

app = command_app()


@app.command(name="bulk-growth")
def bulk_growth(
    sizes: Annotated[str, typer.Option(help="Numbers of users, with commas between.")] = "10000,100000,1000000",
    interactions: Annotated[int, typer.Option(min=10, max=1000, help="Of each user.")] = 20,
    sample: Annotated[int, typer.Option(min=10, max=100_000, help="Users of the plain way and of --chunk 1.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    plot: Annotated[
        Path | None, typer.Option(dir_okay=False, writable=True, help="Draw the figures into this SVG file.")
    ] = None,
) -> None:
    """Generate everybody's feed, for so many made-up users and half as many posts, each size in a new service."""
    if plot and not plot.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {plot.parent}", param_hint="--plot")
    measured = [
        run_to_end(measure(users, users // _USERS_PER_POST, interactions * users, 0, sample))
        for users in numbers_of(sizes)
    ]
    document = {"target_users_per_s": TARGET_USERS_PER_S, "sizes": [asdict(figures) for figures in measured]}
    if plot:
        plot.write_text(bulk_plot(document))
    print(msgspec.json.encode(document).decode()) if as_json else console.print(_table(measured))


def _table(measured: list[BulkFigures]) -> Table:
    table = Table("users", "seconds", "users/s", "kernel alone", "worker MB", "command MB", "Postgres MB", "Redis MB")
    for figures in measured:
        table.add_row(*map(str, row_of(figures)))
    return table


def row_of(figures: BulkFigures) -> list[Any]:
    """What the table tells of a size."""
    return [
        f"{figures.users:,}",
        f"{figures.seconds:,.1f}",
        f"{figures.users_per_s:,.0f}",
        f"{figures.engine_users_per_s:,.0f}",
        *(f"{figures.memory[kind].most_afterwards / 1e6:,.0f}" for kind in ("worker", "command")),
        *(f"{figures.users * size / 1e6:,.0f}" for size in (figures.bytes_in_postgres, figures.bytes_in_redis)),
    ]


if __name__ == "__main__":
    app()
