"""Tasks run as processes, told by their exit code and their last line."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from core.domain.schedule import Task, TaskEnd
from core.infrastructure.process_scheduled_work import ProcessScheduledWork, TaskCommand
from core.infrastructure.task_ending import end_task

TICK = datetime(2026, 11, 24, 3, tzinfo=UTC)
WAITS = "import os, signal, sys\nopen(sys.argv[1], 'w').write(str(os.getpid()))\nwhile True: signal.pause()"
IGNORES = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def work(source: str, *arguments: str, good: frozenset[int] = frozenset({0})) -> ProcessScheduledWork:
    words = (sys.executable, "-I", "-S", "-c", source, *arguments)
    return ProcessScheduledWork({Task.TRAIN: TaskCommand(words, good)}, {"GREETING": "hello"})


async def test_the_last_line_says_how_it_ended_and_every_line_is_logged() -> None:
    with capture_logs() as logs:
        end = await work("import os; print('one'); print(os.environ['GREETING']); print(' ')")(Task.TRAIN, TICK)

    assert end == TaskEnd(is_good=True, says="hello")
    assert [(line["task"], line["line"]) for line in logs] == [("train", "one"), ("train", "hello")]


@pytest.mark.parametrize(("good", "is_good"), [(frozenset({0}), False), (frozenset({0, 3}), True)])
async def test_an_exit_code_may_be_good_or_bad(good: frozenset[int], is_good: bool) -> None:
    end = await work("import sys; print('it stays a candidate'); sys.exit(3)", good=good)(Task.TRAIN, TICK)

    assert end.is_good is is_good
    assert end.says.endswith("it stays a candidate")


async def test_a_command_may_be_told_the_tick() -> None:
    words = (sys.executable, "-I", "-S", "-c", "import sys; print(sys.argv[1:])")
    command = TaskCommand(words, tick_option="--since")

    end = await ProcessScheduledWork({Task.ENQUEUE: command})(Task.ENQUEUE, TICK)

    assert end.says == "['--since', '2026-11-24T03:00:00+00:00']"


async def test_a_task_that_is_killed_has_failed() -> None:
    end = await work("import os; os.kill(os.getpid(), 9)")(Task.TRAIN, TICK)

    assert end == TaskEnd(is_good=False, says="exit code -9: ")


async def test_a_program_that_cannot_be_started_has_failed() -> None:
    end = await ProcessScheduledWork({Task.TRAIN: TaskCommand(("no-such-program",))})(Task.TRAIN, TICK)

    assert not end.is_good
    assert "no-such-program" in end.says


@pytest.mark.parametrize("habit", ["", IGNORES])
async def test_cancelled_it_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, habit: str
) -> None:
    monkeypatch.setattr("core.infrastructure.process_scheduled_work.STOP_SECONDS", 0.2)
    pid_file = tmp_path / "pid"
    running = asyncio.create_task(work(habit + WAITS, str(pid_file))(Task.TRAIN, TICK))
    async with asyncio.timeout(20):
        while not (pid_file.exists() and pid_file.read_text()):  # noqa: ASYNC110 - the child can only write
            await asyncio.sleep(0.01)

    await end_task(running)

    assert running.cancelled()
    assert not psutil.pid_exists(int(pid_file.read_text()))
