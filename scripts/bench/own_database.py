"""A database of the benchmark's own: nothing that is there already is read or changed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.postgres_pool import connect


@asynccontextmanager
async def own_database(server_url: str) -> AsyncIterator[str]:
    """The URL of a new, migrated database on that server, which is dropped in the end."""
    name = f"threads_ml_bench_{uuid4().hex[:12]}"
    server = await connect(server_url)
    await server.execute(f"create database {name}")
    try:
        url = f"{server_url.partition('?')[0].rpartition('/')[0]}/{name}"
        await migrate(url)
        yield url
    finally:
        await server.execute(f"drop database {name} with (force)")
        await server.close()
