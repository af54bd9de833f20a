"""Connections to Postgres: how they are opened, and what their failures mean."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
import msgspec

from core.domain.errors import ArchiveUnavailable, ConfigurationError

CONNECT_TIMEOUT_SECONDS = 2.0
COMMAND_TIMEOUT_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 5.0

# asyncpg's classes are generic over records and ship without types; plain SQL gains nothing from naming them.
Pool = Any
Connection = Any

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg")
# What is wrong with it is not repeated: it may be the password.
_WRONG = (
    "DATABASE_URL is wrong: expected postgresql://user:password@host:port/database, "
    "with special characters of the password percent-encoded"
)
# Parameters of libpq that asyncpg would hand to the server as settings of its own, which the server refuses.
_LIBPQ_ONLY = {
    "channel_binding",
    "connect_timeout",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "tcp_user_timeout",
}
_AWAY = (
    OSError,  # refused, reset, unknown host, TLS, and every time-out
    asyncpg.InterfaceError,  # the connection was closed under our hands
    asyncpg.InternalClientError,  # the same, in the moment between the server's farewell and the end of the connection
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, cancelled
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, in the middle of a failover
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
_NOT_MIGRATED = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)


def to_asyncpg_dsn(url: str) -> str:
    """The URL as asyncpg reads it: platforms hand out `postgres://`, SQLAlchemy users write `postgresql+asyncpg://`."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ConfigurationError(_WRONG)
    try:
        return _checked(f"postgresql://{rest}")
    except ValueError as error:
        raise ConfigurationError(_WRONG) from error


async def connect(url: str) -> Connection:
    """One connection for as long as the caller keeps it, with no time limit on commands."""
    with errors_translated():
        return await asyncpg.connect(to_asyncpg_dsn(url), **_options())


@asynccontextmanager
async def open_pool(
    url: str, size: int = 4, *, command_timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
) -> AsyncIterator[Pool]:
    """A pool that connects when it is first used: a process starts, and stays, while Postgres is away."""
    pool = await asyncpg.create_pool(
        to_asyncpg_dsn(url),
        min_size=0,
        max_size=size,
        init=_set_up,
        reset=_leave_as_it_is,
        command_timeout=command_timeout_seconds,
        **_options(),
    )
    try:
        yield pool
    finally:
        with suppress(TimeoutError):  # the connections have been cut off then
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await pool.close()


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool; each statement is a transaction of its own."""
    with errors_translated():
        async with pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            yield connection


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in a transaction that ends with the block."""
    async with borrowed(pool) as connection, connection.transaction():
        yield connection


@contextmanager
def errors_translated() -> Iterator[None]:
    """The one place that knows what the driver's errors mean to the service; programming errors pass."""
    try:
        yield
    except asyncpg.DataError:
        raise
    except asyncpg.ClientConfigurationError as error:
        raise ConfigurationError(f"DATABASE_URL is wrong: {error}") from error
    except _NOT_MIGRATED as error:
        raise ArchiveUnavailable(f"the schema is not up to date, run `threads-ml migrate`: {error}") from error
    except _AWAY as error:
        raise ArchiveUnavailable(f"Postgres does not answer: {_one_line(error)}") from error


def retried_after_migration(
    method: Callable[Arguments, Coroutine[Any, Any, Result]],
) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    """Run a method that can be run again once more when a migration has outdated its prepared statements.

    asyncpg does this itself for single statements, not inside a transaction.
    """

    @functools.wraps(method)
    async def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return await method(*args, **kwargs)
        except asyncpg.InvalidCachedStatementError:
            return await method(*args, **kwargs)

    return run


def _checked(url: str) -> str:
    parts = urlsplit(url)
    for host in parts.netloc.rpartition("@")[2].split(","):
        urlsplit(f"//{host}").port  # noqa: B018 - reading it is the check
    query = parse_qsl(parts.query, strict_parsing=True) if parts.query else []
    kept = [(name, value) for name, value in query if name not in _LIBPQ_ONLY]
    return parts._replace(query=urlencode(kept)).geturl()


def _options() -> dict[str, Any]:
    settings = {"timezone": "UTC", "application_name": "threads-ml"}
    return {"timeout": CONNECT_TIMEOUT_SECONDS, "server_settings": settings}


async def _set_up(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )


async def _leave_as_it_is(_: Connection) -> None:
    """Nothing here outlives its transaction: asyncpg's own reset would cost every use one more round trip."""


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
