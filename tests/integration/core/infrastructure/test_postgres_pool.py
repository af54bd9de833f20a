"""Connections: which URLs do, and what it means when Postgres does not answer."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from core.domain.errors import ArchiveUnavailable, ConfigurationError
from core.infrastructure import postgres_pool
from core.infrastructure.postgres_pool import (
    borrowed,
    connect,
    errors_translated,
    open_pool,
    to_asyncpg_dsn,
    transaction,
)

NOWHERE = "postgresql://u:p@127.0.0.1:1/d"
STARTING_UP = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_usual_scheme_is_understood(scheme: str) -> None:
    url = f"{scheme}://u:p%40ss@host:5433/d?sslmode=require"

    assert to_asyncpg_dsn(url) == "postgresql://u:p%40ss@host:5433/d?sslmode=require"


def test_parameters_that_only_libpq_knows_are_left_out() -> None:
    url = "postgres://u:p@h/d?sslmode=require&channel_binding=require&connect_timeout=10&options=-csearch_path%3Dml"

    assert to_asyncpg_dsn(url) == "postgresql://u:p@h/d?sslmode=require&options=-csearch_path%3Dml"


@pytest.mark.parametrize(
    "url", ["postgres://u:p@a:1,b:2/d", "postgresql://u:p@[::1]:5432/d", "postgresql:///d?host=/run"]
)
def test_several_hosts_and_sockets_may_be_named(url: str) -> None:
    assert to_asyncpg_dsn(url).endswith(("/d", "host=%2Frun"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host/d",
        "mysql://u:secret@h/d",
        "postgres://u:secret#@h/d",
        "postgres://u@h:secret/d",
        "postgres://u@h/d?secret",
    ],
)
async def test_a_malformed_url_is_a_configuration_error_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is wrong") as raised:
        async with open_pool(url):
            pass

    assert "secret" not in str(raised.value)


async def test_what_only_the_driver_refuses_is_a_configuration_error_too() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is wrong"):
        await connect(f"{NOWHERE}?sslmode=perhaps")


async def test_a_pool_opens_while_postgres_is_away_and_each_use_says_so() -> None:
    async with open_pool(NOWHERE) as pool:
        with pytest.raises(ArchiveUnavailable):
            async with borrowed(pool) as connection:
                await connection.execute("select 1")


@pytest.mark.parametrize("part", ["wrong password", "wrong database"])
async def test_a_database_that_lets_nobody_in_is_away(migrated_database_url: str, part: str) -> None:
    server, _, name = migrated_database_url.rpartition("/")
    credentials, _, address = server.rpartition("@")
    url = f"{server}/no_such" if part == "wrong database" else f"{credentials}x@{address}/{name}"

    with pytest.raises(ArchiveUnavailable):
        await connect(url)


async def test_a_server_that_never_answers_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_pool, "CONNECT_TIMEOUT_SECONDS", 0.05)
    silence = asyncio.Event()

    async def keep_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silence.wait()
        writer.close()

    async with served(keep_silent) as port, open_pool(f"postgresql://u:p@127.0.0.1:{port}/d") as pool:
        with pytest.raises(ArchiveUnavailable):
            async with borrowed(pool):
                pass
        silence.set()


async def test_a_self_signed_certificate_of_another_host_will_do_where_tls_is_required() -> None:
    seen = asyncio.get_running_loop().create_future()

    async def start_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # the wish for TLS
        writer.write(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
        await writer.start_tls(context)
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        seen.set_result(await reader.readexactly(length - 4))
        writer.write(b"E" + struct.pack("!I", len(STARTING_UP) + 4) + STARTING_UP)
        await writer.drain()
        writer.close()

    async with served(start_up) as port:
        with pytest.raises(ArchiveUnavailable, match="starting up"):
            await connect(f"postgres://u:p@127.0.0.1:{port}/d?sslmode=require")

    assert b"user\0u\0" in await seen


async def test_when_every_connection_is_taken_nobody_waits_for_long(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_pool(migrated_database_url, size=1) as pool, borrowed(pool):
        monkeypatch.setattr(postgres_pool, "CONNECT_TIMEOUT_SECONDS", 0.05)

        with pytest.raises(ArchiveUnavailable):
            async with borrowed(pool):
                pass


async def test_a_connection_that_was_cut_is_replaced_at_the_next_use(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url, size=1) as pool:
        with pytest.raises(ArchiveUnavailable):
            async with borrowed(pool) as connection:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")

        async with borrowed(pool) as connection:
            assert await connection.fetchval("select 1") == 1


async def test_a_server_that_has_said_farewell_and_not_yet_hung_up_is_away() -> None:
    over = asyncio.Event()

    async def end_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        let_in, ready, farewell = (b"R", struct.pack("!I", 0)), (b"Z", b"I"), (b"E", STARTING_UP)
        for kind, body in (let_in, (b"S", b"server_version\x0018.0\0"), ready, farewell):
            writer.write(kind + struct.pack("!I", len(body) + 4) + body)
        await over.wait()
        writer.close()

    async with served(end_at_once) as port:
        connection = await connect(f"postgres://u:p@127.0.0.1:{port}/d?sslmode=disable")
        with pytest.raises(ArchiveUnavailable), errors_translated():
            await connection.execute("select 1")
        connection.terminate()
        over.set()


async def test_a_statement_that_takes_too_long_is_cancelled(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url, command_timeout_seconds=0.05) as pool:
        with pytest.raises(ArchiveUnavailable):
            async with borrowed(pool) as connection:
                await connection.execute("select pg_sleep(60)")


async def test_a_schema_that_is_not_there_is_told_apart(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        with pytest.raises(ArchiveUnavailable, match="threads-ml migrate"):
            async with borrowed(pool) as connection:
                await connection.execute("select from feed")


async def test_a_mistake_of_ours_is_not_called_an_outage(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url) as pool:
        with pytest.raises(asyncpg.DataError):
            async with borrowed(pool) as connection:
                await connection.fetch("select $1::int", "seven")
        with pytest.raises(asyncpg.PostgresSyntaxError):
            async with borrowed(pool) as connection:
                await connection.fetch("selekt")


async def test_sessions_tell_their_name_and_live_in_utc(migrated_database_url: str) -> None:
    async with open_pool(f"{migrated_database_url}?sslmode=prefer") as pool, borrowed(pool) as connection:
        assert await connection.fetchval("show timezone") == "UTC"
        assert await connection.fetchval("show application_name") == "threads-ml"
        assert await connection.fetchval("select $1::jsonb", {"a": [1, None]}) == {"a": [1, None]}


async def test_a_transaction_that_fails_leaves_nothing(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url, size=1) as pool:
        with suppress(ZeroDivisionError):
            async with transaction(pool) as connection:
                await connection.execute("insert into external_id (id, text) values (gen_random_uuid(), 'x')")
                raise ZeroDivisionError

        assert await pool.fetchval("select count(*) from external_id") == 0


@asynccontextmanager
async def served(talk: object) -> AsyncIterator[int]:
    """A server on a free port that talks to each client this way."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)  # type: ignore[arg-type]  # its protocol is private
    async with server:
        yield server.sockets[0].getsockname()[1]
