"""One works of all that would, and another goes on when it cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_schedule_book import CLOCK_LOCK, PostgresScheduleBook
from core.infrastructure.postgres_turn import PostgresTurn
from core.infrastructure.task_ending import end_task

NOWHERE = "postgresql://u:p@127.0.0.1:1/d"
WITHIN_SECONDS = 20
_HOLDER = "select pid from pg_locks where locktype = 'advisory' and granted"
_CUT = f"select pg_terminate_backend(pid) from ({_HOLDER}) as holder"


@dataclass
class Worker:
    """Works for ever once it is its turn."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.began.clear()
            self.stopped.set()


@asynccontextmanager
async def competing(url: str) -> AsyncIterator[tuple[Worker, "asyncio.Task[None]"]]:
    worker = Worker()
    turn = PostgresTurn(url, CLOCK_LOCK, try_every_seconds=0.01, beat_every_seconds=0.01)
    task = asyncio.create_task(turn.work_in_turn(worker.work))
    try:
        yield worker, task
    finally:
        await end_task(task)


async def happened(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), WITHIN_SECONDS)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def test_while_one_works_the_others_wait_and_the_book_is_kept(migrated_database_url: str, pool: Pool) -> None:
    async with competing(migrated_database_url) as (first, _):
        await happened(first.began)
        with capture_logs() as logs:
            async with competing(migrated_database_url) as (second, _):
                while "turn_taken_by_another" not in [line["event"] for line in logs]:  # noqa: ASYNC110 - logs tell nobody
                    await asyncio.sleep(0)

                assert not second.began.is_set()
                assert await PostgresScheduleBook(pool).is_kept()

    # The server lets go of the lock when it sees the connection end, a moment after we have ended it.
    async with asyncio.timeout(WITHIN_SECONDS):
        while await PostgresScheduleBook(pool).is_kept():  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0)
    assert not await PostgresScheduleBook(pool).is_kept()


async def test_when_the_one_at_work_ends_another_goes_on(migrated_database_url: str) -> None:
    async with competing(migrated_database_url) as (first, task):
        await happened(first.began)
        async with competing(migrated_database_url) as (second, _):
            await end_task(task)

            assert first.stopped.is_set()
            await happened(second.began)


async def test_who_loses_the_connection_stops_and_somebody_goes_on(migrated_database_url: str, pool: Pool) -> None:
    async with competing(migrated_database_url) as (worker, _):
        await happened(worker.began)

        await pool.execute(_CUT)

        await happened(worker.stopped)
        await happened(worker.began)


async def test_work_that_ends_ends_the_turn(migrated_database_url: str) -> None:
    turn = PostgresTurn(migrated_database_url, CLOCK_LOCK)

    async def work() -> None:
        """Nothing is left to do."""

    await asyncio.wait_for(turn.work_in_turn(work), WITHIN_SECONDS)


async def test_what_the_work_raises_is_raised_and_frees_the_lock(migrated_database_url: str, pool: Pool) -> None:
    turn = PostgresTurn(migrated_database_url, CLOCK_LOCK)

    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(turn.work_in_turn(work), WITHIN_SECONDS)


async def test_without_postgres_it_waits_and_says_so() -> None:
    with capture_logs() as logs:
        async with competing(NOWHERE) as (worker, _):
            while not logs:  # noqa: ASYNC110 - logs tell nobody
                await asyncio.sleep(0)

    assert logs[0]["event"] == "turn_not_held"
    assert not worker.stopped.is_set()


async def test_the_server_cuts_off_a_holder_that_gives_no_sign(migrated_database_url: str, pool: Pool) -> None:
    first, second = Worker(), Worker()
    silent = PostgresTurn(migrated_database_url, CLOCK_LOCK, beat_every_seconds=3600, cut_off_milliseconds=50)
    task = asyncio.create_task(silent.work_in_turn(first.work))
    await happened(first.began)
    turn = PostgresTurn(migrated_database_url, CLOCK_LOCK, try_every_seconds=0.01)
    next_task = asyncio.create_task(turn.work_in_turn(second.work))

    await happened(second.began)

    await end_task(task)
    await end_task(next_task)
