"""`threads-ml clock`: train, enqueue and purge at the times that the settings name."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import structlog

from core.application.run_due_tasks import Plan, RunDueTasks
from core.domain.errors import ConfigurationError
from core.domain.schedule import NEVER, Task, TaskRecord
from core.infrastructure.cron_ticks import CronTicks
from core.infrastructure.postgres_pool import open_pool, to_asyncpg_dsn
from core.infrastructure.postgres_schedule_book import CLOCK_LOCK, PostgresScheduleBook
from core.infrastructure.postgres_turn import PostgresTurn
from core.infrastructure.process_scheduled_work import ProcessScheduledWork, TaskCommand
from core.infrastructure.redis_client import connection_options
from core.infrastructure.system_clock import SystemClock
from core.logs import set_up_logs
from core.settings import Settings
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, run_to_end, until_signalled
from scripts.wiring import BROKER_TIMEOUT_SECONDS, server_environment, settings_for

# The machine's clock may be set: a long sleep would not notice.
LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS = 30.0, 1.0
CONNECTIONS = 1
TRAINING_PACKAGES = ("pyarrow", "adbc_driver_postgresql")
GATE_REFUSED = 3  # training has done its work: the next attempt would come to the same

app = command_app()


@app.command()
def clock(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Train, enqueue and purge by TRAIN_CRON, ENQUEUE_CRON and PURGE_CRON; of several clocks one is at work."""
    run_to_end(until_signalled(_clock(data_dir)))


async def _clock(data_dir: Path) -> None:
    settings = settings_for(data_dir)
    set_up_logs(settings.log_level, "clock")
    _check_servers_named(settings)
    crons = _crons(settings)
    turn = PostgresTurn(settings.database_url, CLOCK_LOCK)
    async with open_clock(settings, crons, data_dir) as run_due_tasks:
        await turn.work_in_turn(lambda: keep(run_due_tasks))


@asynccontextmanager
async def open_clock(settings: Settings, crons: Mapping[Task, str], data_dir: Path) -> AsyncIterator[RunDueTasks]:
    """Raises ConfigurationError for an expression that cannot be read."""
    plans = {task: Plan(cron, CronTicks(cron, f"{task.upper()}_CRON")) for task, cron in crons.items()}
    async with open_pool(settings.database_url, CONNECTIONS) as pool:
        work = ProcessScheduledWork(_commands(data_dir), server_environment(settings))
        yield RunDueTasks(plans, PostgresScheduleBook(pool), work, SystemClock(), _log_change)


async def keep(run_due_tasks: RunDueTasks) -> None:
    """For ever: what is due, then a pause until something is."""
    told: datetime | None = None
    while True:
        next_at = await run_due_tasks()
        if next_at != told:
            structlog.get_logger().info("next_task", at=next_at.isoformat() if next_at else NEVER)
            told = next_at
        await asyncio.sleep(_pause_seconds(next_at, run_due_tasks.clock.now()))


def _pause_seconds(next_at: datetime | None, now: datetime) -> float:
    if next_at is None:
        return LONGEST_PAUSE_SECONDS
    return min(max((next_at - now).total_seconds(), SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def _check_servers_named(settings: Settings) -> None:
    for name, value in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        if not value:
            raise ConfigurationError(f"{name} is not set: the clock needs it")
    to_asyncpg_dsn(settings.database_url)
    for name, url in (("REDIS_URL", settings.redis_url), ("BROKER_URL", settings.effective_broker_url)):
        connection_options(url, timeout_seconds=BROKER_TIMEOUT_SECONDS, verify_tls=False, variable=name)


def _crons(settings: Settings) -> dict[Task, str]:
    """What a small install cannot do is not tried, night after night."""
    crons = {Task.TRAIN: settings.train_cron, Task.ENQUEUE: settings.enqueue_cron, Task.PURGE: settings.purge_cron}
    missing = [package for package in TRAINING_PACKAGES if find_spec(package) is None]
    if missing and crons[Task.TRAIN] != NEVER:
        structlog.get_logger().warning("training_not_installed", missing=missing, wanted="uv sync --group data")
        crons[Task.TRAIN] = NEVER
    return crons


def _commands(data_dir: Path) -> dict[Task, TaskCommand]:
    commands = {
        task: TaskCommand((sys.executable, "-m", "scripts.cli", task.value, "--data-dir", str(data_dir)))
        for task in Task
    }
    return commands | {
        Task.TRAIN: replace(commands[Task.TRAIN], good_exit_codes=frozenset({0, GATE_REFUSED})),
        Task.ENQUEUE: replace(commands[Task.ENQUEUE], tick_option="--once-since"),
    }


def _log_change(task: Task, record: TaskRecord) -> None:
    log = structlog.get_logger().bind(task=task.value, tick=record.tick.astimezone(UTC).isoformat())
    if record.ended_at is None or record.started_at is None:
        log.info("task_begins", attempt=record.attempts)
        return
    seconds = round((record.ended_at - record.started_at).total_seconds(), 1)
    if record.has_failed:
        log.error("task_failed", attempt=record.attempts, seconds=seconds, says=record.says)
    else:
        log.info("task_done", seconds=seconds, says=record.says)


if __name__ == "__main__":
    app()
