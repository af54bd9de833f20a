"""The folder that belongs to one embedded server: its lock, password, last port and log."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from core.domain.errors import ConfigurationError, ThreadsMlError
from core.infrastructure.leashed_process import LeashedProcess
from core.infrastructure.pid_lock import PidLock

LOOPBACK = "127.0.0.1"
START_TIMEOUT_SECONDS = 60.0

_LOG_LIMIT_BYTES = 10_000_000
_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.02


class ServerEnded(ThreadsMlError):
    """A server ended, or did not answer in time, before it was ready; the text quotes the end of its log."""


class ServerFolder:
    """What one server keeps between runs, under one folder that no other program writes to."""

    def __init__(self, path: Path, server_name: str) -> None:
        self.path = path.absolute()
        self.server_name = server_name
        self.log_path = self.path / "server.log"
        self._lock_path = self.path / "server.lock"
        self._port_path = self.path / "port"
        self.password_path = self.path / "password"

    def create(self) -> None:
        """Make the folder, closed to others; folders above it are left as they are."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_path.touch(mode=0o600)
        except OSError as error:
            raise self.unusable(error) from error

    def unusable(self, error: OSError) -> ConfigurationError:
        """The error for a folder that this process may not write to."""
        return ConfigurationError(
            f"{self.path} cannot be used ({error.strerror}); choose another --data-dir or run as the folder's owner"
        )

    def password(self) -> str:
        """The server's password, made on first use and kept readable by its owner only."""
        if not self.password_path.exists():
            write_private_text(self.password_path, secrets.token_urlsafe(24))
        return self.password_path.read_text().strip()

    async def start_on_free_port(self, start_on: Callable[[int], Awaitable[None]]) -> None:
        """Start on the previous run's port, or on another when that one is taken, even in the last moment."""
        for port in self._ports_to_try():
            try:
                await start_on(port)
            except ServerEnded:
                if _is_port_free(port):
                    raise
            else:
                write_private_text(self._port_path, str(port))
                return
        raise ConfigurationError(f"no free loopback port could be kept for {self.server_name}")

    def _ports_to_try(self) -> Iterator[int]:
        previous = _read_number(self._port_path)
        if previous and _is_port_free(previous):
            yield previous
        for _ in range(_PORT_ATTEMPTS):
            yield _any_free_port()

    @contextlib.asynccontextmanager
    async def claimed(self, stop_signal: signal.Signals) -> AsyncIterator[PidLock]:
        """Hold the lock that a running server inherits, after an orphan of an earlier run has been stopped."""
        with PidLock.opened(self._lock_path) as lock:
            await self._take_over(lock, stop_signal)
            yield lock

    async def _take_over(self, lock: PidLock, stop_signal: signal.Signals) -> None:
        if lock.try_take():
            return
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        for number, seconds in ((stop_signal, START_TIMEOUT_SECONDS / 2), (signal.SIGKILL, START_TIMEOUT_SECONDS)):
            _signal_orphan(lock.read_pid(), number)
            until = min(time.monotonic() + seconds, deadline)
            while time.monotonic() < until:
                if lock.try_take():
                    return
                await asyncio.sleep(_POLL_SECONDS)
        raise ConfigurationError(f"another program holds {self._lock_path}; stop it or choose another --data-dir")

    @contextlib.contextmanager
    def open_log(self) -> Iterator[BinaryIO]:
        """The log to append to; one older file is kept when it has grown large."""
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        with self.log_path.open("ab") as log:
            yield log

    def failure(self, process: LeashedProcess) -> ServerEnded:
        """The error for a server that is not ready, with the last lines of its log."""
        exit_code = process.exit_code
        state = "did not answer in time" if exit_code is None else f"ended with exit code {exit_code}"
        return ServerEnded(f"{self.server_name} {state}; {self.log_path} ends: {self.log_tail()}")

    def log_tail(self, lines: int = 5) -> str:
        """The log's last lines on one line."""
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - 4096))
            return " | ".join(log.read().decode(errors="replace").splitlines()[-lines:])


def write_private_text(path: Path, text: str) -> None:
    """Write a file that only its owner reads; readers see the old text or the new, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(path)


def _is_port_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _read_number(path: Path) -> int:
    """The number in the file; 0 when there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _signal_orphan(pid: int, number: signal.Signals) -> None:
    """Signal the server that holds the lock; it leads its session, as a stranger with a reused pid hardly would."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if pid and os.getsid(pid) == pid:
            os.kill(pid, number)
