"""A whole service of the benchmark's own, as `threads-ml up` runs it."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.domain.errors import ThreadsMlError
from core.domain.job import Queue
from core.infrastructure.data_directory import DataDirectory, RunningServers
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_job_queue import RedisJobQueue
from scripts.bench.http_load import Connection

HOST = "127.0.0.1"
READY_WITHIN_SECONDS = 120.0
TIMEOUT_SECONDS = 10.0
MOST_REPEATED = 500
"""Letters of what a command said that failed."""
_UNSET = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PORT", "MODEL_PATH", "MODEL_PIN")


class OwnService:
    """A service in a folder, and its commands; nothing that this machine runs otherwise is used."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        inherited = {name: value for name, value in os.environ.items() if name not in _UNSET}
        self._environment = inherited | {"TRACK_RUNS": "false"}

    async def run(self, *arguments: str, **environment: str) -> str:
        """The command's output. Raises ThreadsMlError where it fails."""
        command = await self._start(*arguments, **environment)
        output, errors = await command.communicate()
        if command.returncode:
            said = (errors or output).decode().strip()[-MOST_REPEATED:]
            raise ThreadsMlError(f"`threads-ml {' '.join(arguments)}` ended with {command.returncode}: {said}")
        return output.decode()

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """The whole service inside the block."""
        process = await self._start("up", "--port", str(self.port), "--embedded")
        draining = asyncio.create_task(process.communicate())
        try:
            await self._until_ready(process)
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await draining

    def servers(self) -> RunningServers:
        """Where those of the running service are."""
        servers = DataDirectory(self.folder / "data").read_servers()
        if servers is None:
            raise ThreadsMlError("the service does not say where its servers are")
        return servers

    async def until_workers_live(self, queue: Queue) -> None:
        """They are there a little later than the service is ready."""
        async with open_redis(self.servers().broker_url, timeout_seconds=TIMEOUT_SECONDS) as broker:
            while not await RedisJobQueue(broker).workers_alive(queue):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.1)

    async def _start(self, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scripts.cli", *arguments, "--data-dir", str(self.folder / "data")),
            cwd=self.folder,
            env=self._environment | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        async with Connection(HOST, self.port, TIMEOUT_SECONDS) as connection:
            while (await connection.ask(b"GET /ready HTTP/1.1\r\nHost: bench\r\n\r\n")).status != 200:
                if process.returncode is not None or time.monotonic() > deadline:
                    raise ThreadsMlError(f"the service in {self.folder} has not become ready")
                await asyncio.sleep(0.1)


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
