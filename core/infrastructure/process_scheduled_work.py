"""Scheduled tasks as processes of their own, on a leash."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from core.domain.schedule import Task, TaskEnd
from core.infrastructure.process_supervisor import ChildProcess, run_once

STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TaskCommand:
    """A command line; good_exit_codes: those with which it has done what it was there for."""

    words: tuple[str, ...]
    good_exit_codes: frozenset[int] = frozenset({0})


@dataclass(frozen=True, slots=True)
class ProcessScheduledWork:
    """The clock stays small and can stop at once; `env` adds to its own environment. Every line goes to its log."""

    commands: Mapping[Task, TaskCommand]
    env: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, task: Task) -> TaskEnd:
        """What the process said last tells how it ended."""
        said: list[str] = [""]

        def write(line: str) -> None:
            if line.strip():
                said[0] = line.strip()
                structlog.get_logger().info("task_says", task=task.value, line=line.rstrip())

        command = self.commands[task]
        child = ChildProcess(task.value, command.words, env=self.env, stop_timeout_seconds=STOP_SECONDS)
        try:
            exit_code = await run_once(child, write)
        except OSError as error:
            return TaskEnd(is_good=False, says=f"it could not be started: {error}")
        if exit_code in command.good_exit_codes:
            return TaskEnd(is_good=True, says=said[0])
        return TaskEnd(is_good=False, says=f"exit code {exit_code}: {said[0]}")
