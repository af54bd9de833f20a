"""The schema, brought up to date from within the service."""

import asyncio
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for this database, wherever the process was started."""
    spec = find_spec("migrations")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package `migrations` is not installed")
    config = Config()
    config.set_main_option("script_location", str(Path(spec.origin).parent))
    config.attributes["database_url"] = database_url
    return config


async def migrate(database_url: str) -> None:
    """Bring the schema to the newest revision. Raises ConfigurationError and ArchiveUnavailable."""
    await asyncio.to_thread(command.upgrade, alembic_config(database_url), "head")
