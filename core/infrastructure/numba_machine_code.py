"""The kernels' machine code: kept beside the models, and there before the first message."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numba
import structlog

from core.recommender import compiled

FOLDER = "machine_code"
_LOCK = "lock"


def warm_kernels(model_path: Path) -> float:
    """Have all kernels of this process ready; gives the seconds it took, a few on a machine that is new to them.

    Of several processes one compiles, while the others wait for what it leaves under MODEL_PATH, or where
    NUMBA_CACHE_DIR says; where that cannot be written, each compiles for itself.
    """
    started = time.monotonic()
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or model_path / FOLDER / _digest_of_sources())
    try:
        _check_writable(folder)
    except OSError as error:
        structlog.get_logger().warning("machine_code_not_kept", folder=str(folder), reason=error.strerror)
        compiled.keep_no_machine_code()
        compiled.warm()
    else:
        compiled.keep_machine_code_in(folder)
        with _alone_in(folder):
            _warm(folder)
            _forget_other_sources(folder)
    return time.monotonic() - started


def _digest_of_sources() -> str:
    """Numba looks for changes in a kernel's own file only: code of other files is a part of it too."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(compiled.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _check_writable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        """It could be made."""


def _warm(folder: Path) -> None:
    try:
        compiled.warm()
    except Exception as error:  # whatever spoilt machine code provokes: made anew, it can only be the kernels' fault
        structlog.get_logger().warning("machine_code_made_anew", folder=str(folder), reason=repr(error))
        for module in {kernel.plain.__module__.rpartition(".")[2] for kernel in compiled.Kernel.known}:
            for made in folder.glob(f"*/{module}.*.nb?"):
                made.unlink(missing_ok=True)
        compiled.warm()


def _forget_other_sources(folder: Path) -> None:
    """Remove what earlier versions of the kernels have left beside; whoever still runs them has them in memory."""
    if folder.parent.name == FOLDER:
        for other in folder.parent.iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other, ignore_errors=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the death of its holder frees; go on without where a file system knows none."""
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            structlog.get_logger().warning("machine_code_not_locked", folder=str(folder), reason=error.strerror)
        yield
