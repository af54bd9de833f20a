"""The embedded PostgreSQL keeps what was committed, lets in nobody without the password, and survives kill -9."""

import asyncio
import importlib.util
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from core.domain.errors import ConfigurationError
from core.infrastructure.embedded_postgres import EmbeddedPostgres, psql_path
from core.infrastructure.server_folder import ServerEnded

STARTS_AND_WAITS = """
import asyncio, sys
from pathlib import Path
from core.infrastructure.embedded_postgres import EmbeddedPostgres
async def run():
    async with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
        print(server.process.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(run())
"""


async def execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def start_and_stop(folder: Path) -> None:
    async with EmbeddedPostgres(folder, durable=False):
        pass


async def kill(server: EmbeddedPostgres) -> None:
    os.kill(server.process.pid, signal.SIGKILL)
    await server.process.wait()


async def test_database_speaks_utc_and_utf8(postgres_server: EmbeddedPostgres) -> None:
    assert await execute(postgres_server.url, "SHOW timezone") == "UTC"
    assert await execute(postgres_server.url, "SHOW server_encoding") == "UTF8"
    assert await execute(postgres_server.url, "SELECT upper('é')") == "É"


async def test_wrong_password_is_refused(postgres_server: EmbeddedPostgres) -> None:
    user, _, place = postgres_server.url.rpartition("@")
    wrong = f"{user}x@{place}"

    with pytest.raises(asyncpg.InvalidPasswordError):
        await execute(wrong, "SELECT 1")


def test_packaged_psql_connects(postgres_server: EmbeddedPostgres) -> None:
    said = subprocess.run([psql_path(), postgres_server.url, "-Atc", "SELECT 41 + 1"], capture_output=True, check=True)

    assert said.stdout == b"42\n"


async def test_password_is_readable_by_its_owner_only(postgres_server: EmbeddedPostgres, servers_folder: Path) -> None:
    folder = servers_folder / "postgres"

    assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_restart_finds_the_rows_on_the_same_port(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres") as first:
        await execute(first.url, "CREATE TABLE kept AS SELECT 7 AS number")

    async with EmbeddedPostgres(tmp_path / "postgres") as second:
        assert second.url == first.url
        assert await execute(second.url, "SELECT number FROM kept") == 7


async def test_killed_server_starts_again_with_what_was_committed(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres") as killed:
        await execute(killed.url, "CREATE TABLE kept AS SELECT 7 AS number")
        await kill(killed)

    async with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert await execute(server.url, "SELECT number FROM kept") == 7


async def test_stale_pid_file_with_another_programs_pid_is_no_obstacle(
    tmp_path: Path, postgres_server: EmbeddedPostgres
) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as killed:
        await kill(killed)
    pid_file = tmp_path / "postgres" / "cluster" / "postmaster.pid"
    _, _, rest = pid_file.read_text().partition("\n")
    pid_file.write_text(f"{postgres_server.process.pid}\n{rest}")

    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        assert await execute(server.url, "SELECT 1") == 1


async def test_server_left_behind_by_an_earlier_run_is_stopped_first(tmp_path: Path) -> None:
    orphan = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    await orphan.start()

    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        assert await orphan.process.wait(0) == 0
        assert await execute(server.url, "SELECT 1") == 1


def test_server_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    with subprocess.Popen([sys.executable, "-c", STARTS_AND_WAITS, str(folder)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        starter.stdout.readline()
        starter.kill()

    asyncio.run(start_and_stop(folder))
    assert "database system was not properly shut down" not in (folder / "server.log").read_text()


async def test_server_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False):
        pass
    (tmp_path / "postgres" / "cluster" / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(ServerEnded, match="incompatible with server"):
        await EmbeddedPostgres(tmp_path / "postgres", durable=False).start()


async def test_lost_password_is_named(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False):
        pass
    (tmp_path / "postgres" / "password").unlink()

    with pytest.raises(ConfigurationError, match="password"):
        await EmbeddedPostgres(tmp_path / "postgres", durable=False).start()


async def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match="uv sync --group embedded"):
        await EmbeddedPostgres(tmp_path / "postgres").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as another user")
async def test_root_starts_it_as_another_user_and_leaves_other_folders_alone(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    async with EmbeddedPostgres(closed / "postgres", durable=False) as server:
        owner_uid = os.stat(f"/proc/{server.process.pid}").st_uid  # noqa: PTH116  one fact, asked once

    assert owner_uid != 0
    assert (closed.stat().st_uid, stat.S_IMODE(closed.stat().st_mode)) == (0, 0o700)
