"""The schema, brought up to date from within the service."""

import asyncio
import logging
import threading
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

# Alembic keeps the migration under way in a global of the process.
_ONE_IN_THIS_PROCESS = threading.Lock()


async def migrate(database_url: str) -> None:
    """Bring the schema to the newest revision; of two at once the later waits and finds it done.

    Raises ConfigurationError where the database must be changed by hand first, and ArchiveUnavailable.
    """
    await asyncio.to_thread(_upgrade, alembic_config(database_url))


def head_revision() -> str | None:
    """The newest revision this program knows."""
    return ScriptDirectory.from_config(alembic_config("")).get_current_head()


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for this database, wherever the process was started."""
    spec = find_spec("migrations")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package `migrations` is not installed")
    config = Config()
    config.set_main_option("script_location", str(Path(spec.origin).parent).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def _upgrade(config: Config) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with _ONE_IN_THIS_PROCESS:
        command.upgrade(config, "head")
