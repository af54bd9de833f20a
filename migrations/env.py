"""How Alembic reaches the database: the same way as the service does."""

import asyncio

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from core.domain.errors import ConfigurationError, ThreadsMlError
from core.infrastructure.postgres_pool import connect, errors_translated
from core.settings import load_settings

VERSION_TABLE = "threads_ml_alembic_version"
ONE_AT_A_TIME = 7_021_002  # the key of a lock in the database, any number that nobody else uses


def _run() -> None:
    if context.is_offline_mode():
        raise CommandError("the tables that are there must be looked at: a database is needed, SQL alone will not do")
    try:
        asyncio.run(_migrate(_database_url()))
    except ThreadsMlError as error:
        if context.config.cmd_opts is None:
            raise
        raise CommandError(str(error)) from error  # which `alembic` prints as one line


def _database_url() -> str:
    url: str = context.config.attributes.get("database_url") or load_settings().database_url
    if not url:
        raise ConfigurationError("DATABASE_URL is not set: expected postgresql://user:password@host:port/database")
    return url


async def _migrate(url: str) -> None:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda *_: connect(url), poolclass=NullPool)
    try:
        with errors_translated():
            async with engine.connect() as connection:
                await connection.run_sync(_migrate_over)
    finally:
        await engine.dispose()


def _migrate_over(connection: Connection) -> None:
    """All revisions in one transaction, so that a failure leaves the schema as it was."""
    context.configure(connection=connection, version_table=VERSION_TABLE)
    try:
        with context.begin_transaction():
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
            context.run_migrations()
    except DBAPIError as error:
        raise _plain(error) from error


def _plain(error: DBAPIError) -> BaseException:
    """The driver's own error where the connection was lost, else what the database had against the migration."""
    cause = error.orig.__cause__ if error.orig is not None else None
    if error.connection_invalidated and cause is not None:
        return cause
    return ConfigurationError(f"the database refuses the migration: {cause or error.orig}")


_run()
