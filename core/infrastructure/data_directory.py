"""The folder where `up` keeps everything, who runs there, and where the running servers are."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from core.domain.errors import ConfigurationError, ThreadsMlError
from core.infrastructure.pid_lock import PidLock
from core.infrastructure.server_folder import write_private_text

_LOCK_ATTEMPTS = 5
_LOCK_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class RunningServers:
    """Where the servers of the running `up` are."""

    database_url: str
    redis_url: str
    broker_url: str
    api_url: str
    pid: int


class AlreadyRunning(ThreadsMlError):
    """Another process runs on this data directory."""

    def __init__(self, path: Path, pid: int, api_url: str | None) -> None:
        where = f" at {api_url}" if api_url else ""
        super().__init__(f"threads-ml is running already{where} (pid {pid}, data dir {path})")
        self.pid = pid
        self.api_url = api_url


class DataDirectory:
    """A private folder that one running process holds at a time; its death frees it, however it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock_path = self.path / "up.lock"
        self._servers_path = self.path / "servers.json"

    def create(self) -> None:
        """Make the folder, unknown to git; one that exists keeps its permissions.

        Made by root it lets others pass, not look: PostgreSQL runs as another user and its own folder is below.
        """
        try:
            self.path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            self._lock_path.touch(mode=0o600)
        except OSError as error:
            raise self._unusable(error) from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder, created when missing; AlreadyRunning when another process does."""
        self.create()
        with self._open_lock() as lock:
            if not _locks_in_time(lock):
                raise self._already_running(lock)
            lock.write_pid(os.getpid())
            try:
                yield
            finally:
                self._servers_path.unlink(missing_ok=True)

    def write_servers(self, servers: RunningServers) -> None:
        """Tell other commands where the servers are; they are believed while the holder of the folder lives."""
        write_private_text(self._servers_path, json.dumps(asdict(servers), indent=2) + "\n")

    def read_servers(self) -> RunningServers | None:
        """Where the running servers are; None when nobody holds the folder or the holder is still starting."""
        if not self._is_in_use_or_was():
            return None
        with self._open_lock() as lock:
            return None if lock.try_take() else self._servers_of(lock.read_pid())

    def _is_in_use_or_was(self) -> bool:
        try:
            return self._lock_path.exists()
        except OSError as error:
            raise self._unusable(error) from error

    @contextlib.contextmanager
    def _open_lock(self) -> Iterator[PidLock]:
        with contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context(PidLock.opened(self._lock_path))
            except OSError as error:
                raise self._unusable(error) from error
            yield lock

    def _servers_of(self, pid: int) -> RunningServers | None:
        try:
            servers = RunningServers(**json.loads(self._servers_path.read_text()))
        except FileNotFoundError:
            return None
        return servers if servers.pid == pid else None

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(f"--data-dir {self.path} cannot be used: {error.strerror}")

    def _already_running(self, lock: PidLock) -> AlreadyRunning:
        pid = lock.read_pid()
        servers = self._servers_of(pid)
        return AlreadyRunning(self.path, pid, servers.api_url if servers else None)


def _locks_in_time(lock: PidLock) -> bool:
    """Try a few times: a reader that looks whether anybody holds the lock holds it for that moment."""
    for _ in range(_LOCK_ATTEMPTS):
        if lock.try_take():
            return True
        time.sleep(_LOCK_PAUSE_SECONDS)
    return False
