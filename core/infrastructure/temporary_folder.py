"""A temporary folder that ends with its process: what a killed one has left, the next one takes away."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNNAMED = "threads-ml-new-"


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A new folder, held by a lock that the death of this process frees; forgotten ones of the prefix go first."""
    _remove_forgotten(prefix)
    unnamed = Path(tempfile.mkdtemp(prefix=_UNNAMED))
    with _locked(unnamed):
        # It gets its name with its lock on: nobody can take it for a forgotten one.
        folder = unnamed.rename(unnamed.with_name(unnamed.name.replace(_UNNAMED, prefix)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_forgotten(prefix: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):  # held by a living process, somebody else's, or gone already
            if folder.lstat().st_uid == os.getuid():
                with _locked(folder):
                    shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raise OSError at once where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
