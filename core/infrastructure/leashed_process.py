"""The starting process's end of a leash (see leash.py): programs that stop when this process ends, however it ends."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

_LEASH_PROGRAM = Path(__file__).with_name("leash.py")
_POLL_SECONDS = 0.01


class Leash:
    """The pipe that tells one child's watcher whether its supervisor still lives."""

    def __init__(self, stop_signal: signal.Signals, grace_seconds: float, identity: str = "-") -> None:
        self.child_end, self._own_end = os.pipe()
        self._settings = (str(int(stop_signal)), str(grace_seconds), identity)

    def command(self, command: Sequence[str]) -> tuple[str, ...]:
        """The command line that runs `command` on this leash; `child_end` must be passed on to it."""
        return (sys.executable, "-I", "-S", str(_LEASH_PROGRAM), str(self.child_end), *self._settings, *command)

    @contextlib.contextmanager
    def handed_over(self) -> Iterator[None]:
        """Close the child's end here, once the child has it; both ends when it could not be started."""
        try:
            yield
        except BaseException:
            os.close(self._own_end)
            raise
        finally:
            os.close(self.child_end)

    def release(self) -> None:
        """Send the watcher home: the child has ended and was waited for."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._own_end, b".")
        os.close(self._own_end)


class LeashedProcess:
    """A program on a leash that can be waited for from any event loop, as servers outlive the loop of one test."""

    def __init__(self, process: "subprocess.Popen[bytes]", leash: Leash) -> None:
        self._process = process
        self._leash: Leash | None = leash

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        stop_signal: signal.Signals,
        grace_seconds: float,
        env: Mapping[str, str],
        output: IO[bytes],
        identity: str = "-",
        pass_fds: Sequence[int] = (),
    ) -> Self:
        """Start the command in a session of its own, its output appended to `output`."""
        leash = Leash(stop_signal, grace_seconds, identity)
        with leash.handed_over():
            process = subprocess.Popen(  # noqa: S603  the command is the caller's own, no shell
                leash.command(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                start_new_session=True,
                pass_fds=(leash.child_end, *pass_fds),
            )
        return cls(process, leash)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        exit_code = self._process.poll()
        if exit_code is not None and self._leash is not None:
            self._leash.release()
            self._leash = None
        return exit_code

    async def wait(self, timeout_seconds: float = float("inf")) -> int | None:
        """Wait for the end; None when it still runs after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while self.exit_code is None and time.monotonic() < deadline:  # noqa: ASYNC110  any loop may ask
            await asyncio.sleep(_POLL_SECONDS)
        return self.exit_code

    async def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each step's signal and wait its seconds, until the program has ended; then SIGKILL."""
        for number, timeout_seconds in steps:
            self.send(number)
            if await self.wait(timeout_seconds) is not None:
                return
        self.send(signal.SIGKILL)
        await self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program, if it still runs."""
        if self.exit_code is None:
            self._process.send_signal(number)
