"""`threads-ml migrate`: bring the database's schema up to date."""

from pathlib import Path

from core.infrastructure.alembic_migrations import migrate as migrate_schema
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.wiring import open_platform

app = command_app()


@app.command()
def migrate(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Bring the database's schema up to date; safe to run at any time, by several at once."""
    run_to_end(_migrate(data_dir))


async def _migrate(data_dir: Path) -> None:
    async with open_platform(data_dir) as settings:
        await migrate_schema(settings.database_url)
    console.print("the schema is up to date")


if __name__ == "__main__":
    app()
