"""`threads-ml import`: bring interactions in from a file."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from core.application.import_interactions import ImportInteractions, ImportReport
from core.application.ports.interaction_source import InteractionBatch, RejectedRow
from core.domain.errors import InvalidInput
from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.arrow_interaction_source import ArrowInteractionSource, InteractionColumns, parse_type_map
from core.infrastructure.postgres_interaction_store import PostgresInteractionStore
from core.infrastructure.postgres_pool import open_pool
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.wiring import open_platform

SOME_ROWS_REJECTED_EXIT_CODE = 3
TellOfRejected = Callable[[Sequence[RejectedRow]], None]

app = command_app()


@app.command()
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, JSON Lines (both also with gzip) or Parquet.")],
    *,
    user: Annotated[str, typer.Option(help="Column of user ids.")],
    post: Annotated[str, typer.Option(help="Column of post ids.")],
    type_: Annotated[
        str, typer.Option("--type", help="Column of types: view, click, like or share, or see --type-map.")
    ],
    at: Annotated[str, typer.Option(help="Column of times: ISO 8601 or Unix seconds.")],
    type_map: Annotated[str, typer.Option(help="The file's own words for types: VIEW=view,LIKE=like,…")] = "",
    rejects: Annotated[Path | None, typer.Option(help="Write bad rows to this CSV file, with line and reason.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Import nothing if any row is bad.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Add the interactions of a file; those that are there already are left as they are.

    Ends with 0 when every row was good, 3 when some were rejected and the rest imported, 1 when nothing was imported.
    """
    columns = (user, post, type_, at)
    report = run_to_end(_import(file, columns, type_map, rejects, data_dir, strict=strict))
    console.print(
        f"read {report.read:,}, added {report.added:,}, duplicate {report.duplicate:,}, rejected {report.rejected:,}"
    )
    if report.first_rejected is not None:
        print(f"threads-ml: {_said_of(report, report.first_rejected, rejects)}", file=sys.stderr)
        raise typer.Exit(SOME_ROWS_REJECTED_EXIT_CODE)


async def _import(
    file: Path,
    columns: tuple[str, str, str, str],
    type_map: str,
    rejects: Path | None,
    data_dir: Path,
    *,
    strict: bool,
) -> ImportReport:
    source = ArrowInteractionSource(file, InteractionColumns(*columns), parse_type_map(type_map))
    await source.check()  # before any server starts
    with _rejects_file(rejects, file) as tell_of_rejected:
        async with open_platform(data_dir) as settings:
            await migrate(settings.database_url)
            return await run_import(settings.database_url, source, tell_of_rejected, strict=strict)


async def run_import(
    database_url: str, source: ArrowInteractionSource, tell_of_rejected: TellOfRejected, *, strict: bool = False
) -> ImportReport:
    """Import into a database that has the schema, with a progress bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        size_bytes = source.size_bytes
        task = bar.add_task("reading", total=size_bytes or None)

        def on_batch(batch: InteractionBatch[Any]) -> None:
            tell_of_rejected(batch.rejected)
            bar.update(task, completed=batch.bytes_read)
            if batch.bytes_read >= size_bytes:
                bar.update(task, description="storing", total=None)

        async with open_pool(database_url, size=1) as pool:
            run = ImportInteractions(source, PostgresInteractionStore(pool))
            return await run(strict=strict, on_batch=on_batch)


@contextmanager
def _rejects_file(path: Path | None, source: Path) -> Iterator[TellOfRejected]:
    """Replace the file, if one is named, by a CSV of the rows that are told of."""
    if path is None:
        yield lambda _: None
        return
    if path.exists() and source.exists() and path.samefile(source):
        raise InvalidInput(f"--rejects {path} is the file to import")
    try:
        # Bytes that are not UTF-8 go out as they came in.
        written = path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InvalidInput(f"--rejects {path} cannot be written: {error.strerror}") from error
    with written:
        writer = csv.writer(written)
        writer.writerow(field.name for field in fields(RejectedRow))

        def write(rows: Sequence[RejectedRow]) -> None:
            try:
                writer.writerows(map(astuple, rows))
            except OSError as error:
                raise InvalidInput(f"--rejects {path} cannot be written: {error.strerror}") from error

        yield write


def _said_of(report: ImportReport, first: RejectedRow, rejects: Path | None) -> str:
    where = f"all are in {rejects}" if rejects else "--rejects FILE collects them"
    count = f"{report.rejected:,} of {report.read:,} rows were rejected"
    return f"{count}, the first in line {first.line}: {first.reason}; {where}"


if __name__ == "__main__":
    app()
