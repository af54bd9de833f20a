"""How Alembic reaches the database: the same way as the service does."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from core.domain.errors import ConfigurationError
from core.infrastructure.postgres_pool import connect
from core.settings import load_settings

VERSION_TABLE = "threads_ml_alembic_version"
ONE_AT_A_TIME = 7_021_002


def _database_url() -> str:
    url: str = context.config.attributes.get("database_url") or load_settings().database_url
    if not url:
        raise ConfigurationError("DATABASE_URL is not set: expected postgresql://user:password@host:port/database")
    return url


async def _migrate() -> None:
    url = _database_url()

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda *_: connect(url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


def _run(connection: Connection) -> None:
    context.configure(connection=connection, version_table=VERSION_TABLE, transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text(f"select pg_advisory_xact_lock({ONE_AT_A_TIME})"))
        context.run_migrations()


asyncio.run(_migrate())
