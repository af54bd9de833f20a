"""Machine code for the numeric core: compiled on first use, without the interpreter lock, kept between processes."""

from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any

import numba
from numba.core import types

part_of_kernels = numba.njit(nogil=True, error_model="numpy")
"""Marks a function that kernels of the same file call; it becomes machine code as a part of theirs."""

_compiling = RLock()


def arrays_of(dtype: Any, dimensions: int = 1) -> Any:
    """The type of a C-contiguous array that a kernel only reads: one mapped read-only from a file will do."""
    return types.Array(dtype, dimensions, "C", readonly=True)


def outputs_of(dtype: Any, dimensions: int = 1) -> Any:
    """The type of a C-contiguous array that a kernel writes to."""
    return types.Array(dtype, dimensions, "C")


class Kernel:
    """A function that becomes machine code for one signature when it is first called, or warmed.

    Importing a module of kernels compiles nothing. Sums are taken in the order in which they are written, without
    contraction to fused operations, so that the same input gives the same bits. Bounds are not checked: callers are.
    """

    known: "list[Kernel]" = []  # noqa: RUF012 - filled by the modules of kernels, read by `warm`

    def __init__(self, function: Callable[..., Any], signature: Any) -> None:
        self.plain = function
        self._signature = signature
        self._machine_code: Callable[..., Any] | None = None
        Kernel.known.append(self)

    def __call__(self, *arguments: Any) -> Any:
        """Call the machine code."""
        return (self._machine_code or self.compile())(*arguments)

    def compile(self) -> Callable[..., Any]:
        """The machine code: loaded from the folder where it is kept, if there is one, or compiled and put there."""
        with _compiling:
            if self._machine_code is None:
                kept = bool(numba.config.CACHE_DIR)  # type: ignore[attr-defined]  # see keep_machine_code_in
                compiler = numba.njit(self._signature, nogil=True, cache=kept, error_model="numpy")
                self._machine_code = compiler(self.plain)
            return self._machine_code


def compiled(result: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel by the types of its result and of its arguments."""
    return lambda function: Kernel(function, result(*arguments))


def keep_machine_code_in(folder: Path) -> None:
    """Kernels compiled from now on are kept in this folder, unless NUMBA_CACHE_DIR names another, and found there."""
    if not numba.config.CACHE_DIR:  # type: ignore[attr-defined]  # numba sets it from the environment
        numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # the same


def keep_no_machine_code() -> None:
    """Kernels compiled from now on are compiled for this process alone."""
    numba.config.CACHE_DIR = ""  # type: ignore[attr-defined]  # the same


def warm() -> None:
    """Compile every kernel of the modules imported so far."""
    for kernel in Kernel.known:
        kernel.compile()
