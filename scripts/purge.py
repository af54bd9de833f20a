"""`threads-ml purge`: remove what nobody needs any more."""

from pathlib import Path
from typing import Annotated

import typer

from core.application.purge_expired import Purge
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.wiring import open_platform, open_purge

app = command_app()


@app.command()
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Remove expired feeds of users no longer active, expired tickets, old runs, and the bytes of old models."""
    done = run_to_end(_purge(data_dir, is_dry=dry_run))
    console.print(_told(done, "would remove" if dry_run else "removed"))


async def _purge(data_dir: Path, *, is_dry: bool) -> Purge:
    async with open_platform(data_dir) as settings, open_purge(settings) as purge_expired:
        return await (purge_expired.look() if is_dry else purge_expired())


def _told(purge: Purge, removed: str) -> str:
    megabytes = (purge.model_bytes + (purge.stray_bytes or 0)) / 1_000_000
    names = ", ".join(record.version for record in purge.models) or "none"
    counts = f"{purge.feeds:,} feeds, {purge.tickets:,} tickets, {purge.runs:,} runs"
    return f"{removed} {counts}, {megabytes:,.1f} MB of models ({names})"


if __name__ == "__main__":
    app()
