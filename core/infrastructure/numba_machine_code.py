"""The kernels' machine code: kept beside the models, and there before the first message."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from core.recommender import compiled

FOLDER = "machine_code"


def warm_kernels(model_path: Path) -> float:
    """Have all kernels of this process ready; gives the seconds it took, a few on a machine that is new to them.

    Of several processes one compiles, while the others wait for what it leaves under MODEL_PATH; where that cannot be
    written, each compiles for itself.
    """
    started = time.monotonic()
    folder = model_path / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        compiled.keep_machine_code_in(folder)
    except OSError as error:
        structlog.get_logger().warning("machine_code_not_kept", folder=str(folder), reason=error.strerror)
    _check_override()
    with _alone_in(folder):
        _warm(folder)
    return time.monotonic() - started


def _check_override() -> None:
    """NUMBA_CACHE_DIR comes before MODEL_PATH; numba does not say that it could not be used."""
    override = os.environ.get("NUMBA_CACHE_DIR")
    if not override:
        return
    try:
        Path(override).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        structlog.get_logger().warning("machine_code_not_kept", folder=override, reason=error.strerror)


def _warm(folder: Path) -> None:
    try:
        compiled.warm()
    except Exception as error:  # whatever spoilt machine code provokes: made anew, it can only be the kernels' fault
        structlog.get_logger().warning("machine_code_made_anew", folder=str(folder), reason=repr(error))
        for made in folder.glob("*/*.nb?"):
            made.unlink(missing_ok=True)
        compiled.warm()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the death of its holder frees; go on without where it cannot be written."""
    try:
        lock = (folder / "lock").open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
