"""A program on the leash is the real program, and ends with whoever started it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.infrastructure import leash

SAYS_WHEN_ASKED_TO_STOP = """
import os, signal
def stop(number, frame):
    os.write(1, b"asked to stop")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
signal.pause()
"""
REFUSES_TO_STOP = """
import os, signal
signal.signal(signal.SIGTERM, lambda number, frame: os.write(1, b"not yet"))
print("ready", flush=True)
while True:
    signal.pause()
"""
NOBODY = 65534
as_root_on_linux = pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root changes users")


class OnLeash:
    """A command started on a leash, its output readable here; `let_go` is what the death of its supervisor does."""

    def __init__(self, *command: str, grace_seconds: float = 30, identity: str = "-") -> None:
        child_end, self.own_end = os.pipe()
        options = [str(child_end), str(int(signal.SIGTERM)), str(grace_seconds), identity]
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", leash.__file__, *options, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[child_end],
        )
        os.close(child_end)
        assert self.process.stdout is not None
        self.output = self.process.stdout

    @classmethod
    def python(cls, source: str, grace_seconds: float = 30) -> "OnLeash":
        return cls(sys.executable, "-I", "-S", "-c", source, grace_seconds=grace_seconds)

    def line(self) -> str:
        return self.output.readline().decode().strip()

    def let_go(self) -> None:
        os.close(self.own_end)

    def end(self) -> tuple[int, str]:
        """The exit code and the rest of the output, which ends when nobody holds it any more."""
        exit_code = self.process.wait()
        with self.output:
            return exit_code, self.output.read().decode().strip()


def test_started_pid_is_the_real_program() -> None:
    child = OnLeash("/bin/sh", "-c", "echo $$")

    said = child.line()

    assert said == str(child.process.pid)
    child.end()
    child.let_go()


def test_child_is_asked_to_stop_when_its_supervisor_is_gone() -> None:
    child = OnLeash.python(SAYS_WHEN_ASKED_TO_STOP)
    assert child.line() == "ready"

    child.let_go()

    assert child.end() == (0, "asked to stop")


def test_child_that_does_not_stop_is_killed_after_its_grace() -> None:
    child = OnLeash.python(REFUSES_TO_STOP, grace_seconds=0.2)
    assert child.line() == "ready"

    child.let_go()

    assert child.end() == (-signal.SIGKILL, "not yet")


def test_processes_of_a_child_end_with_it() -> None:
    child = OnLeash("/bin/sh", "-c", "sleep 600 & echo ready; exec sleep 600")
    assert child.line() == "ready"

    child.let_go()

    assert child.end() == (-signal.SIGTERM, "")


def test_watcher_goes_home_when_released() -> None:
    child = OnLeash("/bin/sh", "-c", "exit 3")
    exit_code, _ = child.end()

    os.write(child.own_end, b".")

    nobody_listens = select.poll()
    nobody_listens.register(child.own_end, 0)
    assert nobody_listens.poll(10_000) == [(child.own_end, select.POLLERR)]
    assert exit_code == 3
    child.let_go()


def test_command_starts_with_default_signals() -> None:
    child = OnLeash("/bin/sh", "-c", "kill -PIPE $$; echo survived")

    exit_code, said = child.end()

    assert (exit_code, said) == (-signal.SIGPIPE, "")
    child.let_go()


def test_command_that_does_not_exist_is_named() -> None:
    child = OnLeash("/no/such/program")

    exit_code, said = child.end()

    assert exit_code == leash.EXIT_COMMAND_NOT_RUN
    assert "/no/such/program" in said
    child.let_go()


@as_root_on_linux
def test_command_runs_as_the_given_user() -> None:
    child = OnLeash("/bin/sh", "-c", "id -u; id -g; id -G", identity=f"{NOBODY}:{NOBODY}")

    _, said = child.end()

    assert said.split() == [str(NOBODY)] * 3
    child.let_go()


@as_root_on_linux
def test_user_who_may_reach_passes_folders_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    letter = tmp_path / "letter"
    letter.write_text("read")

    _, refused = OnLeash("/bin/cat", str(letter), identity=f"{NOBODY}:{NOBODY}").end()
    _, said = OnLeash("/bin/cat", str(letter), identity=f"{NOBODY}:{NOBODY}:reach").end()

    assert "Permission denied" in refused
    assert said == "read"
