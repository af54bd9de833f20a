"""`threads-ml clock` as it is deployed: real processes, real signals, real servers."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.domain.schedule import NEVER, Task, TaskRecord
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_schedule_book import PostgresScheduleBook
from tests.builders import bare_environment

WITHIN_SECONDS = 60.0
YEARLY = "0 0 1 1 *"
OFF = {"TRAIN_CRON": NEVER, "ENQUEUE_CRON": NEVER, "PURGE_CRON": NEVER}
# Holds what a purge asks of Postgres until the test lets go.
_HOLD = "begin; lock table feed in access exclusive mode"


class Clock:
    """A running clock and its log."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    async def says(self, name: str) -> dict[str, Any]:
        await until(lambda: bool(self.events(name)), f"the clock says {name}: {self._log.read_text()}")
        return self.events(name)[0]

    async def ended(self) -> int:
        await until(lambda: self.process.poll() is not None, f"the clock has ended: {self._log.read_text()}")
        return int(self.process.wait())


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + WITHIN_SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.02)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


@pytest.fixture
async def start(migrated_database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., Clock]]:
    """Starts clocks on the same servers, and leaves none behind."""
    clocks: list[Clock] = []

    def start_clock(**environment: str) -> Clock:
        log = tmp_path / f"clock-{len(clocks)}.log"
        servers = {"DATABASE_URL": migrated_database_url, "REDIS_URL": redis_url}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "scripts.clock"],
                cwd=tmp_path,
                env=bare_environment(OFF | servers | environment),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        clocks.append(Clock(process, log))
        return clocks[-1]

    yield start_clock
    for clock in clocks:
        if clock.process.poll() is None:
            clock.process.kill()
        clock.process.wait()


@pytest.fixture
async def _purge_was_missed(pool: Pool) -> None:
    """A clock was there a thousand days ago, and none since."""
    record = TaskRecord(YEARLY, datetime.now(UTC) - timedelta(days=1000))
    assert await PostgresScheduleBook(pool).write(Task.PURGE, record, None)


@pytest.mark.usefixtures("_purge_was_missed")
async def test_a_missed_tick_is_made_up_for_once_and_not_again_after_a_restart(
    start: Callable[..., Clock], pool: Pool
) -> None:
    first = start(PURGE_CRON=YEARLY)
    done = await first.says("task_done")
    first.process.send_signal(signal.SIGTERM)
    exit_code = await first.ended()

    second = start(PURGE_CRON=YEARLY)
    next_task = await second.says("next_task")

    assert (done["task"], done["says"]) == ("purge", "removed 0 feeds, 0 tickets, 0 runs, 0.0 MB of models (none)")
    assert exit_code == 0
    assert second.events("task_begins") == []
    assert next_task["at"].endswith("-01-01T00:00:00+00:00")
    assert (await PostgresScheduleBook(pool).records())[Task.PURGE].attempts == 1


@pytest.mark.usefixtures("_purge_was_missed")
async def test_sigterm_ends_it_and_its_task_and_the_next_clock_does_it_anew(
    start: Callable[..., Clock], pool: Pool
) -> None:
    async with pool.acquire() as holding:
        await holding.execute(_HOLD)
        first = start(PURGE_CRON=YEARLY)
        await until_somebody_waits(pool)
        family = psutil.Process(first.process.pid).children(recursive=True)
        first.process.send_signal(signal.SIGTERM)
        exit_code = await first.ended()
        _, alive = psutil.wait_procs(family, timeout=10)
        await holding.execute("rollback")

    again = await start(PURGE_CRON=YEARLY).says("task_done")

    assert exit_code == 0
    assert family
    assert not alive
    assert again["task"] == "purge"


@pytest.mark.usefixtures("_purge_was_missed")
async def test_of_two_clocks_one_is_at_work_and_when_it_is_killed_the_other_goes_on(
    start: Callable[..., Clock], pool: Pool
) -> None:
    async with pool.acquire() as holding:
        await holding.execute(_HOLD)
        first = start(PURGE_CRON=YEARLY)
        await until_somebody_waits(pool)
        second = start(PURGE_CRON=YEARLY, LOG_LEVEL="DEBUG")
        await second.says("turn_taken_by_another")
        begun_meanwhile = second.events("task_begins")
        first.process.kill()
        await holding.execute("rollback")

    done = await second.says("task_done")

    assert begun_meanwhile == []
    assert done["task"] == "purge"
    assert (await PostgresScheduleBook(pool).records())[Task.PURGE].attempts == 2


@pytest.mark.usefixtures("_purge_was_missed")
async def test_a_task_that_fails_is_told_and_the_clock_goes_on(start: Callable[..., Clock], pool: Pool) -> None:
    await pool.execute("drop table ticket")

    clock = start(PURGE_CRON=YEARLY)
    failed = await clock.says("task_failed")
    next_task = await clock.says("next_task")

    assert failed["says"].startswith("exit code 1: threads-ml: the schema is not up to date")
    assert clock.process.poll() is None
    assert datetime.fromisoformat(next_task["at"]) < datetime.now(UTC) + timedelta(minutes=6)


async def until_somebody_waits(pool: Pool) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not await pool.fetchval("select count(*) from pg_locks where not granted"):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("TRAIN_CRON", "at night", "threads-ml: TRAIN_CRON='at night' is wrong: expected minute, hour,"),
        ("DATABASE_URL", "", "threads-ml: DATABASE_URL is not set: the clock needs it"),
        ("REDIS_URL", "", "threads-ml: REDIS_URL is not set: the clock needs it"),
        ("REDIS_URL", "http://here", "threads-ml: REDIS_URL is wrong: expected redis://"),
        ("PURGE_AFTER_DAYS", "0", "threads-ml: PURGE_AFTER_DAYS='0' is wrong: expected"),
    ],
)
async def test_a_wrong_setting_is_one_line_and_exit_code_78(
    start: Callable[..., Clock], tmp_path: Path, setting: str, value: str, line: str
) -> None:
    exit_code = await start(**{setting: value}).ended()

    said = (tmp_path / "clock-0.log").read_text()
    assert exit_code == 78
    assert said.startswith(line)
    assert len(said.splitlines()) == 1
