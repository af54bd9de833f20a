"""Keeps a group of child processes running: starts, restarts with back-off, shows their output, stops them in order."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

from core.domain.errors import ConfigurationError
from core.infrastructure.leashed_process import Leash

EXIT_CONFIGURATION_ERROR = 78

_STOP_BUDGET_SECONDS = 29.0
_HEAD_START_SECONDS = 2.0
_LAST_OUTPUT_SECONDS = 1.0
_LONGEST_LINE_BYTES = 65_536
# A web process writes a line for each answer: passed on one by one they would cost a third of what answers do. Much
# longer, and it would wait for room in the pipe, which holds 64 KB.
_GATHER_SECONDS = 0.005
_LOG_FILE_BYTES = 5_000_000
_LOG_FILES_KEPT = 2

WriteLines = Callable[[str, Sequence[str]], None]
"""Takes a child's name and some lines of its output."""


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """One process to keep running; `env` adds to the supervisor's own environment.

    shares_output: it writes where the supervisor does, and nobody copies its lines.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_seconds: float = 25.0
    shares_output: bool = False


class ChildMisconfigured(ConfigurationError):
    """A child ended with exit code 78: its settings are wrong and a restart cannot help."""


@dataclass(slots=True)
class RestartBackoff:
    """How long to wait before a restart: doubling, and starting afresh after a life long enough to be healthy."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    healthy_after_seconds: float = 60.0
    _next_seconds: float = 0.0

    def delay_seconds(self, lived_seconds: float) -> float:
        """The wait after a child has lived that long."""
        if lived_seconds >= self.healthy_after_seconds or not self._next_seconds:
            self._next_seconds = self.first_seconds
        delay = self._next_seconds
        self._next_seconds = min(2 * delay, self.longest_seconds)
        return delay


class ProcessSupervisor:
    """Runs children until told to stop or until one cannot run at all; they die with it, even when it is killed.

    Their output goes to `write_lines` and, with a log folder, to `<name>.log` there, rotated at 5 MB, but
    for those that share the supervisor's.
    """

    def __init__(
        self,
        log_folder: Path | None = None,
        write_lines: WriteLines | None = None,
        make_backoff: Callable[[], RestartBackoff] = RestartBackoff,
        head_start_seconds: float = _HEAD_START_SECONDS,
    ) -> None:
        """head_start_seconds: how long a child is waited for before the one that was started before it is stopped."""
        self._log_folder = log_folder
        self._write_lines = write_lines or print_lines
        self._make_backoff = make_backoff
        self._head_start_seconds = head_start_seconds
        self._children: list[_SupervisedChild] = []
        self._failure: asyncio.Future[None] | None = None
        self._logs = contextlib.ExitStack()

    async def start(self, child: ChildProcess) -> None:
        """Start the child and keep it running from now on."""
        if self._failure is None:
            self._failure = asyncio.get_running_loop().create_future()
        write_lines = None if child.shares_output else self._lines_of(child)
        supervised = _SupervisedChild(child, write_lines, self._make_backoff())
        await supervised.start()
        supervised.keep_running(self._failure)
        self._children.append(supervised)

    async def run_until(self, stop_event: asyncio.Event) -> None:
        """Wait for the event, or for a child that cannot run (ChildMisconfigured), and stop all children."""
        stopping = asyncio.create_task(stop_event.wait())
        awaited: list[asyncio.Future[Any]] = [stopping] if self._failure is None else [stopping, self._failure]
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await self.stop()
        self.check()

    @property
    def restart_count(self) -> int:
        """How often children were started again."""
        return sum(child.restart_count for child in self._children)

    def check(self) -> None:
        """Raise ChildMisconfigured if a child has turned out to be unable to run."""
        if self._failure is not None and self._failure.done():
            self._failure.result()

    async def stop(self) -> None:
        """Stop the children, last started first, within 30 s in all.

        Each waits for the one before it, for the head start at most, so that one slow child does not use up the
        others' time; a child that exceeds its timeout is killed.
        """
        deadline = asyncio.get_running_loop().time() + _STOP_BUDGET_SECONDS
        stops: list[asyncio.Task[None]] = []
        while self._children:
            stops.append(asyncio.create_task(self._children.pop().stop(deadline)))
            await asyncio.wait(stops, timeout=self._head_start_seconds)
        for stop in stops:
            await stop
        self._logs.close()

    def _lines_of(self, child: ChildProcess) -> Callable[[Sequence[str]], None]:
        if self._log_folder is None:
            return lambda lines: self._write_lines(child.name, lines)
        log = open_log(self._log_folder, child.name)
        self._logs.callback(log.close)

        def write(lines: Sequence[str]) -> None:
            log.emit(logging.makeLogRecord({"msg": "\n".join(lines)}))
            self._write_lines(child.name, lines)

        return write


class _SupervisedChild:
    """One child over all its restarts."""

    def __init__(
        self, child: ChildProcess, write_lines: Callable[[Sequence[str]], None] | None, backoff: RestartBackoff
    ) -> None:
        self.restart_count = 0
        self._child = child
        self._write_lines = write_lines
        self._backoff = backoff
        self._log = structlog.get_logger().bind(child=child.name)
        self._keeping: asyncio.Task[None] | None = None
        self._life: _Life | None = None
        self._stop_requested = asyncio.Event()
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        async with self._starting:
            if not self._stop_requested.is_set():
                self._life = await _Life.begin(self._child, self._write_lines)
                self._log.info("child_started", pid=self._life.pid)

    def keep_running(self, failure: "asyncio.Future[None]") -> None:
        """Restart the child whenever it ends; `failure` gets the error that makes restarting pointless."""
        self._keeping = asyncio.create_task(self._restart_after_each_life(failure))

    async def stop(self, deadline: float) -> None:
        """Let the child end in its own time, but not beyond the deadline (of the loop's clock)."""
        self._stop_requested.set()
        async with self._starting:
            life = self._life
        if life is not None:
            seconds_left = max(0.0, deadline - asyncio.get_running_loop().time())
            await life.stop(min(self._child.stop_timeout_seconds, seconds_left))
        if self._keeping is not None:
            await self._keeping

    async def _restart_after_each_life(self, failure: "asyncio.Future[None]") -> None:
        while self._life is not None:
            exit_code, lived_seconds = await self._life.ended()
            self._life = None
            if self._stop_requested.is_set():
                self._log.info("child_stopped", exit_code=exit_code)
            elif exit_code == EXIT_CONFIGURATION_ERROR:
                self._report(failure, ChildMisconfigured(f"{self._child.name} cannot run; its output says why"))
            else:
                await self._restart(exit_code, lived_seconds)

    async def _restart(self, exit_code: int, lived_seconds: float) -> None:
        while True:
            delay = self._backoff.delay_seconds(lived_seconds)
            self._log.warning("child_died", exit_code=exit_code, lived_seconds=round(lived_seconds, 1), retry_in=delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_requested.wait(), delay)
                return
            try:
                await self.start()
            except OSError as error:
                self._log.warning("child_not_started", error=str(error))
                lived_seconds = 0.0
            else:
                self.restart_count += 1
                return

    def _report(self, failure: "asyncio.Future[None]", error: ChildMisconfigured) -> None:
        self._log.error("child_misconfigured", exit_code=EXIT_CONFIGURATION_ERROR)
        if not failure.done():
            failure.set_exception(error)


class _Life:
    """One run of a child, from its start to the end of its output."""

    def __init__(
        self, process: Process, leash: Leash, stop_signal: signal.Signals, copying: asyncio.Task[None] | None
    ) -> None:
        self._process = process
        self._leash = leash
        self._stop_signal = stop_signal
        self._started_at = asyncio.get_running_loop().time()
        self._ended = asyncio.create_task(self._see_to_the_end(copying))

    @classmethod
    async def begin(cls, child: ChildProcess, write_lines: Callable[[Sequence[str]], None] | None) -> "_Life":
        """write_lines: None for a child that shares the supervisor's output."""
        leash = Leash(child.stop_signal, child.stop_timeout_seconds)
        with leash.handed_over(), _output_to(write_lines) as (streams, copying):
            process = await asyncio.create_subprocess_exec(
                *leash.command(child.command),
                stdin=DEVNULL,
                **streams,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | dict(child.env),
                start_new_session=True,
                pass_fds=(leash.child_end,),
            )
        return cls(process, leash, child.stop_signal, copying)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> tuple[int, float]:
        """The exit code, and how many seconds the child lived."""
        return await asyncio.shield(self._ended)

    async def stop(self, timeout_seconds: float) -> None:
        """Ask the leader alone, which knows how to drain its own processes; kill the whole group when time is up."""
        self._send(self._stop_signal)
        try:
            await asyncio.wait_for(self.ended(), timeout_seconds)
        except TimeoutError:
            _kill_group(self.pid)
            await self.ended()

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _see_to_the_end(self, copying: asyncio.Task[None] | None) -> tuple[int, float]:
        exit_code = await self._process.wait()
        lived_seconds = asyncio.get_running_loop().time() - self._started_at
        _kill_group(self.pid)
        self._leash.release()
        if copying is not None:
            await asyncio.wait([copying], timeout=_LAST_OUTPUT_SECONDS)
            copying.cancel()
            await asyncio.wait([copying])
        return exit_code, lived_seconds


async def run_once(child: ChildProcess, write_lines: Callable[[Sequence[str]], None]) -> int:
    """Run the child to its end, its lines going to `write_lines`, and give its exit code; cancelled, it is stopped."""
    life = await _Life.begin(child, write_lines)
    try:
        exit_code, _ = await life.ended()
    except asyncio.CancelledError:
        await life.stop(child.stop_timeout_seconds)
        raise
    return exit_code


def print_lines(name: str, lines: Sequence[str]) -> None:
    """Show a child's lines on standard output; a closed terminal must not stop the children."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write("".join(f"{name:<12}| {line}\n" for line in lines))
        sys.stdout.flush()


def open_log(folder: Path, name: str) -> RotatingFileHandler:
    """The child's log file, in a folder private to its owner."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.log"
    return RotatingFileHandler(path, maxBytes=_LOG_FILE_BYTES, backupCount=_LOG_FILES_KEPT, encoding="utf-8")


def _kill_group(leader_pid: int) -> None:
    """Kill what a dead leader left behind: nobody would stop it later."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader_pid, signal.SIGKILL)


@contextlib.contextmanager
def _output_to(
    write_lines: Callable[[Sequence[str]], None] | None,
) -> Iterator[tuple[dict[str, Any], "asyncio.Task[None] | None"]]:
    """How a child is started so that its lines come here, and the task that passes them on; neither without a place."""
    if write_lines is None:
        yield {}, None
        return
    # Not PIPE: before Python 3.13 wait() returns only when every heir of the pipe has closed it (gh-119710).
    output, output_end = os.pipe()
    copying = asyncio.create_task(_copy_lines(output, write_lines))
    with os.fdopen(output_end, "wb") as stdout:
        yield {"stdout": stdout, "stderr": STDOUT}, copying


async def _copy_lines(output: int, write_lines: Callable[[Sequence[str]], None]) -> None:
    """Pass lines on, those of a moment together; one that is too long is passed on in pieces."""
    pending = b""
    async with _reader(output) as (reader, transport):
        while chunk := await reader.read(_LONGEST_LINE_BYTES):
            transport.pause_reading()
            *lines, pending = (pending + chunk).split(b"\n")
            if len(pending) > _LONGEST_LINE_BYTES:
                lines, pending = [*lines, pending], b""
            if lines:
                write_lines([line.decode(errors="replace") for line in lines])
            await asyncio.sleep(_GATHER_SECONDS)
            transport.resume_reading()
    if pending:
        write_lines([pending.decode(errors="replace")])


@contextlib.asynccontextmanager
async def _reader(pipe: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.ReadTransport]]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", buffering=0)
    )
    try:
        yield reader, transport
    finally:
        transport.close()
