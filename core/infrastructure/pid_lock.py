"""A file lock that names its holder and is freed by the holder's death, however it dies."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self


class PidLock:
    """One opened lock file; a child process that inherits the file descriptor holds the lock too."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path) -> Iterator[Self]:
        """Open the existing file; the lock, if taken, is let go at the end unless a child inherited it."""
        with path.open("r+b") as file:
            yield cls(file)

    def try_take(self) -> bool:
        """Take the lock, or return False at once when somebody holds it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def write_pid(self, pid: int) -> None:
        """Name the holder."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(pid).encode())
        self._file.flush()

    def read_pid(self) -> int:
        """The holder's pid; 0 in the moment before it is written."""
        self._file.seek(0)
        return int(self._file.read() or b"0")
