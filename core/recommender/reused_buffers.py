"""Buffers that a thread keeps from call to call, so that a call allocates nothing that grows with users or posts."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local

import numpy as np
from numpy.typing import NDArray

_kept = local()


@contextmanager
def zeros_reused(name: str, size: int) -> Iterator[NDArray[np.float32]]:
    """This thread's buffer of that name: shape (size,), all 0; the block leaves it so, or fails and loses it."""
    buffers = _kept.__dict__
    buffer = buffers.pop(name, None)
    if buffer is None or len(buffer) < size:
        buffer = np.zeros(size, dtype=np.float32)
    yield buffer[:size]
    buffers[name] = buffer
