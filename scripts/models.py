"""`threads-ml models`: which models there are, how good they are, and which one serves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import msgspec
import typer

from core.application.roll_back import Rollback
from core.domain.errors import InvalidInput, NotFound
from core.domain.model import ModelRecord, Serving, version_name, version_number
from core.domain.trial import Comparison
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, operator, print_table, run_to_end
from scripts.model_tables import compared_table, list_table, model_document, model_table, said_of_comparison
from scripts.wiring import Models, open_models, open_platform, settings_for

Version = Annotated[str, typer.Argument(help="v3 or collaborative_filtering_v3.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]

app = command_app()


@app.callback()
def _models() -> None:
    """Look at the registry of models, and change which one serves."""


@app.command(name="list")
def list_models(*, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """All models, the newest first."""

    async def listed() -> tuple[Sequence[ModelRecord], Serving]:
        async with open_platform(data_dir) as settings, open_models(settings) as models:
            return await models.registry.all(), await models.registry.serving()

    records, serving = run_to_end(listed())
    if as_json:
        _print_json([model_document(record, serving) for record in records])
    elif records:
        print_table(list_table(records, serving))
    else:
        console.print("there are no models yet: `threads-ml train` makes one")


@app.command()
def show(version: Version, *, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """One model: what it learned from and how, how good it was, and what became of it."""

    async def found() -> tuple[ModelRecord, Serving]:
        async with open_platform(data_dir) as settings, open_models(settings) as models:
            return await _found(models, version), await models.registry.serving()

    record, serving = run_to_end(found())
    if as_json:
        _print_json(model_document(record, serving))
    else:
        print_table(model_table(record, serving))


@app.command()
def compare(
    one: Version,
    other: Version,
    *,
    stored: Annotated[bool, typer.Option("--stored", help="Only what the registry says; nothing is replayed.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Two models side by side, and the gain of the first when both learn anew before the same daily windows."""

    async def compared() -> tuple[list[ModelRecord], Serving, Comparison | None]:
        async with open_platform(data_dir) as settings:
            async with open_models(settings) as models:
                records = [await _found(models, version) for version in (one, other)]
                serving = await models.registry.serving()
            if stored:
                return records, serving, None
            # Here, because looking at models need not wait for the numeric stack.
            from scripts.training import warmed_trial  # noqa: PLC0415

            with console.status("replaying"):
                return records, serving, await (await warmed_trial(settings)).compare(*records)

    records, serving, comparison = run_to_end(compared())
    if as_json:
        documents = {record.version: model_document(record, serving) for record in records}
        _print_json({"models": documents, "comparison": comparison})
        return
    print_table(compared_table(records, serving))
    if comparison is not None:
        console.print(said_of_comparison(records, comparison))


@app.command()
def promote(version: Version, *, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Let a model serve, whatever the gate said of it; workers take it up within seconds."""

    async def promoted() -> Serving:
        async with open_platform(data_dir) as settings, open_models(settings) as models:
            return await models.promote(version_number(version), operator())

    serving = run_to_end(promoted())
    console.print(f"{version_name(version_number(version))} serves now (epoch {serving.epoch})")


@app.command()
def rollback(*, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Take the champion back: the model before it serves again, and the withdrawn one's feeds are made anew."""
    done = run_to_end(_rolled_back(data_dir))
    console.print(f"{done.withdrawn.version} is withdrawn; {done.serving.version} serves now (epoch {done.epoch})")
    if done.enqueued is None:
        console.print("its feeds are stale and are made anew as they are asked for: they could not all be enqueued")
    else:
        console.print(f"its feeds are stale: {done.enqueued:,} are enqueued to be made anew, active users first")


async def _rolled_back(data_dir: Path) -> Rollback:
    # Beside an own Postgres the own Redis is started too; beside a given one it may be left out.
    with_redis = not settings_for(data_dir).database_url
    async with open_platform(data_dir, with_redis=with_redis) as settings, open_models(settings) as models:
        return await models.roll_back(operator(), f"rollback-{uuid4()}")


@app.command()
def prune(
    versions: Annotated[list[str] | None, typer.Argument(help="These, instead of all but the newest.")] = None,
    *,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep so many of the newest.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Remove the bytes of models; their rows stay. The champion is never pruned, nor with --keep the one before it."""

    async def pruned() -> tuple[Sequence[ModelRecord], int, int]:
        if (keep is None) == (not versions):
            raise InvalidInput("say which: either --keep N, or versions like v3 v4")
        async with open_platform(data_dir) as settings, open_models(settings) as models:
            if keep is None:
                records = await models.prune.only([version_number(version) for version in versions or []])
                return records, await models.prune.bytes_of(records), 0
            records = await models.prune.all_but(keep)
            return records, await models.prune.bytes_of(records), await models.prune.strays()

    records, size_bytes, stray_bytes = run_to_end(pruned())
    names = ", ".join(record.version for record in records) or "nothing"
    console.print(f"pruned {names} ({size_bytes / 1_000_000:,.1f} MB)")
    if stray_bytes:
        console.print(f"removed {stray_bytes / 1_000_000:,.1f} MB that trainings had stored and never registered")


async def _found(models: Models, version: str) -> ModelRecord:
    number = version_number(version)
    record = await models.registry.find(number)
    if record is None:
        raise NotFound(f"there is no model {version_name(number)}: `threads-ml models list` shows which there are")
    return record


def _print_json(document: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


if __name__ == "__main__":
    app()
