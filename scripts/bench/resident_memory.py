"""The memory that a piece of work needs, seen from outside: the peak of the process's resident pages."""

import ctypes
import gc
import resource
import sys
from pathlib import Path

_KIB = 1024
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident_from_now_on() -> int:
    """Bytes of resident memory now, nothing free held back; on Linux the peak begins anew here."""
    gc.collect()
    _give_back_free_memory()
    try:
        _CLEAR_REFS.write_text("5")
    except OSError:
        return peak_bytes()
    return _status_bytes("VmRSS")


def peak_bytes() -> int:
    """The peak of resident memory: anonymous memory, and files mapped."""
    if _STATUS.exists():
        return _status_bytes("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else _KIB)


def _give_back_free_memory() -> None:
    """What has been freed could be used again unseen: glibc has a call against it."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back:
        give_back(0)


def _status_bytes(name: str) -> int:
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * _KIB
