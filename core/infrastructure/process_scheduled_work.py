"""Scheduled tasks as processes of their own, on a leash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from core.domain.schedule import Task, TaskEnd
from core.infrastructure.process_supervisor import ChildProcess, run_once

STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TaskCommand:
    """A command line; good_exit_codes: those with which it has done what it was there for.

    tick_option: what the command takes the tick by, in ISO 8601; None where all attempts are alike to it.
    """

    words: tuple[str, ...]
    good_exit_codes: frozenset[int] = frozenset({0})
    tick_option: str | None = None

    def at(self, tick: datetime) -> tuple[str, ...]:
        """The command line of an attempt at this tick."""
        return (
            self.words
            if self.tick_option is None
            else (*self.words, self.tick_option, tick.isoformat(timespec="seconds"))
        )


@dataclass(frozen=True, slots=True)
class ProcessScheduledWork:
    """The clock stays small and can stop at once; `env` adds to its own environment. Every line goes to its log."""

    commands: Mapping[Task, TaskCommand]
    env: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, task: Task, tick: datetime) -> TaskEnd:
        """What the process said last tells how it ended."""
        said: list[str] = [""]

        def write(lines: Sequence[str]) -> None:
            for line in filter(str.strip, lines):
                said[0] = line.strip()
                structlog.get_logger().info("task_says", task=task.value, line=line.rstrip())

        command = self.commands[task]
        child = ChildProcess(task.value, command.at(tick), env=self.env, stop_timeout_seconds=STOP_SECONDS)
        try:
            exit_code = await run_once(child, write)
        except OSError as error:
            return TaskEnd(is_good=False, says=f"it could not be started: {error}")
        if exit_code in command.good_exit_codes:
            return TaskEnd(is_good=True, says=said[0])
        return TaskEnd(is_good=False, says=f"exit code {exit_code}: {said[0]}")
