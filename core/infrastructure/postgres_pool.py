"""Connections to Postgres: how they are opened, and what their failures mean."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from core.domain.errors import ArchiveUnavailable, ConfigurationError

CONNECT_TIMEOUT_SECONDS = 2.0
COMMAND_TIMEOUT_SECONDS = 60.0
_SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg")
_AWAY = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)

Pool = Any
Connection = Any
"""asyncpg's classes are generic over records; plain SQL gains nothing from naming them."""


def to_asyncpg_dsn(url: str) -> str:
    """The URL as asyncpg reads it: platforms hand out `postgres://`, SQLAlchemy users write `postgresql+asyncpg://`."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ConfigurationError("DATABASE_URL is wrong: expected postgresql://user:password@host:port/database")
    try:
        urlsplit(f"postgresql://{rest}").port  # noqa: B018 - reading it is the check
    except ValueError as error:
        raise ConfigurationError(f"DATABASE_URL is wrong: {error}") from error
    return f"postgresql://{rest}"


async def connect(url: str) -> Connection:
    """One connection for as long as the caller keeps it, without a time limit on commands. Raises ArchiveUnavailable."""
    try:
        return await asyncpg.connect(to_asyncpg_dsn(url), **_options())
    except _AWAY as error:
        raise _unavailable(error) from error


@asynccontextmanager
async def open_pool(url: str, size: int = 4) -> AsyncIterator[Pool]:
    """A pool that connects when it is first used: a process starts, and stays, while Postgres is away."""
    pool = asyncpg.create_pool(
        to_asyncpg_dsn(url),
        min_size=0,
        max_size=size,
        init=_set_up,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        **_options(),
    )
    async with pool:
        yield pool


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Any]:
    """A connection of the pool; whatever says that Postgres is away becomes ArchiveUnavailable."""
    try:
        async with pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            yield connection
    except _AWAY as error:
        raise _unavailable(error) from error


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Any]:
    """A connection whose reads all see the same moment."""
    async with borrowed(pool) as connection, connection.transaction(isolation="repeatable_read"):
        yield connection


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Any]:
    """A connection in a transaction."""
    async with borrowed(pool) as connection, connection.transaction():
        yield connection


def _options() -> dict[str, Any]:
    settings = {"timezone": "UTC", "application_name": "threads-ml"}
    return {"timeout": CONNECT_TIMEOUT_SECONDS, "server_settings": settings}


async def _set_up(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )


def _unavailable(error: BaseException) -> ArchiveUnavailable:
    return ArchiveUnavailable(f"Postgres does not answer: {error or type(error).__name__}")
