"""Children are kept running, seen and stopped in order, and never outlive their supervisor."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.infrastructure.process_supervisor import (
    ChildMisconfigured,
    ChildProcess,
    ProcessSupervisor,
    RestartBackoff,
)

SAYS_GOODBYE = (
    "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'goodbye\\n'), os._exit(0)))\n"
)
REFUSES_TO_STOP = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
READY_AND_WAIT = "print('ready', flush=True)\nwhile True:\n    signal.pause()\n"
RUNS_ONE_CHILD = """
import asyncio, sys
from core.infrastructure.process_supervisor import ChildProcess, ProcessSupervisor
async def run():
    supervisor = ProcessSupervisor()
    await supervisor.start(ChildProcess("child", ("/bin/sh", "-c", f"exec sleep 600 > {sys.argv[1]}")))
    await supervisor.run_until(asyncio.Event())
asyncio.run(run())
"""


class Output:
    """What the children said, in order."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def write(self, name: str, lines: Sequence[str]) -> None:
        for line in lines:
            self._lines.put_nowait((name, line))

    async def next(self) -> tuple[str, str]:
        return await asyncio.wait_for(self._lines.get(), 30)

    @property
    def is_empty(self) -> bool:
        return self._lines.empty()


def python(name: str, source: str, stop_timeout_seconds: float = 25) -> ChildProcess:
    command = (sys.executable, "-I", "-S", "-c", source)
    return ChildProcess(name, command, stop_timeout_seconds=stop_timeout_seconds)


def shell(name: str, script: str) -> ChildProcess:
    return ChildProcess(name, ("/bin/sh", "-c", script))


def at_once() -> RestartBackoff:
    return RestartBackoff(first_seconds=0)


def never() -> RestartBackoff:
    return RestartBackoff(first_seconds=3600, longest_seconds=3600)


def test_backoff_doubles_up_to_its_longest() -> None:
    backoff = RestartBackoff(first_seconds=0.5, longest_seconds=3)

    delays = [backoff.delay_seconds(lived_seconds=1) for _ in range(5)]

    assert delays == [0.5, 1, 2, 3, 3]


def test_backoff_starts_afresh_after_a_healthy_life() -> None:
    backoff = RestartBackoff(first_seconds=0.5, healthy_after_seconds=60)
    for _ in range(4):
        backoff.delay_seconds(lived_seconds=1)

    assert backoff.delay_seconds(lived_seconds=60) == 0.5


async def test_output_is_passed_on_line_by_line_with_the_childs_name() -> None:
    output = Output()
    supervisor = ProcessSupervisor(write_lines=output.write, make_backoff=never)

    await supervisor.start(shell("web", "echo one; echo two >&2; printf unfinished"))

    assert [await output.next() for _ in range(3)] == [("web", "one"), ("web", "two"), ("web", "unfinished")]
    await supervisor.stop()


async def test_nothing_of_very_much_output_is_lost_and_all_of_it_is_in_order(tmp_path: Path) -> None:
    output = Output()
    supervisor = ProcessSupervisor(tmp_path, output.write, make_backoff=never)

    await supervisor.start(shell("web", "seq 100000"))
    said = [await output.next() for _ in range(100_000)]
    await supervisor.stop()

    assert said == [("web", str(number)) for number in range(1, 100_001)]
    assert (tmp_path / "web.log").read_text() == "".join(f"{number}\n" for number in range(1, 100_001))


async def test_endless_line_is_passed_on_in_pieces() -> None:
    output = Output()
    supervisor = ProcessSupervisor(write_lines=output.write, make_backoff=never)

    await supervisor.start(python("web", "print('x' * 300_000)"))

    length = 0
    while length < 300_000:
        length += len((await output.next())[1])
    assert length == 300_000
    await supervisor.stop()


async def test_output_is_kept_in_a_file_too(tmp_path: Path) -> None:
    output = Output()
    supervisor = ProcessSupervisor(tmp_path / "logs", output.write, make_backoff=never)

    await supervisor.start(shell("web", "echo kept"))
    await output.next()
    await supervisor.stop()

    assert (tmp_path / "logs" / "web.log").read_text() == "kept\n"


async def test_shared_output_goes_where_the_supervisors_goes_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    output = Output()
    supervisor = ProcessSupervisor(write_lines=output.write, make_backoff=never)
    command = ("/bin/sh", "-c", "printf 'as it is'; printf ' on both' >&2; exit 78")

    await supervisor.start(ChildProcess("web", command, shares_output=True))
    with pytest.raises(ChildMisconfigured):
        await supervisor.run_until(asyncio.Event())

    said = capfd.readouterr()
    assert "as it is" in said.out
    assert " on both" in said.err
    assert output.is_empty


async def test_environment_is_the_supervisors_plus_the_childs() -> None:
    output = Output()
    supervisor = ProcessSupervisor(write_lines=output.write, make_backoff=never)

    await supervisor.start(ChildProcess("web", ("/bin/sh", "-c", "echo $COLOUR $PATH"), env={"COLOUR": "red"}))

    assert await output.next() == ("web", f"red {os.environ['PATH']}")
    await supervisor.stop()


async def test_child_that_dies_is_started_again_and_the_log_says_so() -> None:
    output = Output()
    with capture_logs() as logs:
        supervisor = ProcessSupervisor(write_lines=output.write, make_backoff=at_once)

        await supervisor.start(shell("worker", "echo alive; exit 3"))
        lives = [await output.next() for _ in range(3)]
        restart_count = supervisor.restart_count
        await supervisor.stop()

    assert lives == [("worker", "alive")] * 3
    died = [entry for entry in logs if entry["event"] == "child_died"]
    assert (died[0]["child"], died[0]["exit_code"]) == ("worker", 3)
    assert restart_count >= 1


async def test_child_with_wrong_settings_ends_the_supervisor_with_its_name() -> None:
    supervisor = ProcessSupervisor(write_lines=Output().write, make_backoff=at_once)
    await supervisor.start(shell("web", "exec sleep 600"))
    await supervisor.start(shell("worker", "exit 78"))

    with pytest.raises(ChildMisconfigured, match="worker"):
        await supervisor.run_until(asyncio.Event())


async def test_event_stops_the_children_last_started_first() -> None:
    output = Output()
    supervisor = ProcessSupervisor(write_lines=output.write)
    for name in ("web", "worker"):
        await supervisor.start(python(name, SAYS_GOODBYE + READY_AND_WAIT))
        assert await output.next() == (name, "ready")
    stop = asyncio.Event()
    stop.set()

    await supervisor.run_until(stop)

    assert [await output.next(), await output.next()] == [("worker", "goodbye"), ("web", "goodbye")]


async def test_child_that_does_not_stop_in_its_time_is_killed() -> None:
    output = Output()
    with capture_logs() as logs:
        supervisor = ProcessSupervisor(write_lines=output.write)
        await supervisor.start(python("web", REFUSES_TO_STOP + READY_AND_WAIT, stop_timeout_seconds=0.2))
        await output.next()

        await supervisor.stop()

    assert logs[-1]["event"] == "child_stopped"
    assert logs[-1]["exit_code"] == -signal.SIGKILL


async def test_stop_does_not_wait_for_a_restart_that_is_due_later() -> None:
    output = Output()
    supervisor = ProcessSupervisor(write_lines=output.write, make_backoff=never)
    await supervisor.start(shell("web", "echo gone"))
    await output.next()

    await asyncio.wait_for(supervisor.stop(), 30)


async def test_processes_left_behind_by_a_dead_child_are_killed(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    os.mkfifo(witness)
    supervisor = ProcessSupervisor(write_lines=Output().write, make_backoff=never)

    await supervisor.start(shell("worker", f"exec 3> {witness}; sleep 600 & exit 1"))

    await asyncio.to_thread(witness.read_bytes)  # returns when no process holds the other end any more
    await supervisor.stop()


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    os.mkfifo(witness)
    command = [sys.executable, "-c", RUNS_ONE_CHILD, str(witness)]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL) as supervisor,
        witness.open("rb") as held_by_child,
    ):
        supervisor.kill()

        assert held_by_child.read() == b""
