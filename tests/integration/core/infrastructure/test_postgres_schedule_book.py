"""The schedule's book, fake and real."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from core.application.ports.schedule_book import ScheduleBook
from core.domain.errors import ArchiveUnavailable
from core.domain.schedule import Task, TaskEnd, TaskRecord
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.postgres_schedule_book import PostgresScheduleBook
from tests.builders import NOON
from tests.fakes.schedule_book import FakeScheduleBook

HOUR = timedelta(hours=1)
NEW = TaskRecord("0 3 * * *", NOON)
BEGUN = NEW.begun(NOON + HOUR, NOON + HOUR)
ENDED = BEGUN.ended(TaskEnd(is_good=True, says="enqueued 3 users"), NOON + 2 * HOUR)


@pytest.fixture
async def book(url: str | None) -> AsyncIterator[ScheduleBook]:
    if url is None:
        yield FakeScheduleBook()
        return
    async with open_pool(url) as pool:
        yield PostgresScheduleBook(pool)


async def test_a_new_book_is_empty_and_kept_by_nobody(book: ScheduleBook) -> None:
    assert await book.records() == {}
    assert await book.is_kept() is False


async def test_records_come_back_as_they_were_written(book: ScheduleBook) -> None:
    assert await book.write(Task.TRAIN, NEW, None)
    assert await book.write(Task.PURGE, NEW, None)
    assert await book.write(Task.TRAIN, BEGUN, NEW)
    assert await book.records() == {Task.TRAIN: BEGUN, Task.PURGE: NEW}
    assert await book.write(Task.TRAIN, ENDED, BEGUN)

    assert await book.records() == {Task.TRAIN: ENDED, Task.PURGE: NEW}


@pytest.mark.parametrize("seen", [None, NEW, ENDED, replace(BEGUN, attempts=2), replace(BEGUN, cron="never")])
async def test_who_has_not_seen_what_is_there_writes_nothing(book: ScheduleBook, seen: TaskRecord | None) -> None:
    await book.write(Task.TRAIN, NEW, None)
    await book.write(Task.TRAIN, BEGUN, NEW)

    assert not await book.write(Task.TRAIN, ENDED, seen)
    assert await book.records() == {Task.TRAIN: BEGUN}


async def test_tasks_that_another_version_has_are_passed_over(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url) as pool:
        book = PostgresScheduleBook(pool)
        await book.write(Task.TRAIN, NEW, None)
        await pool.execute("insert into schedule select 'dance', cron, tick, 0, null, null, false, '' from schedule")

        assert await book.records() == {Task.TRAIN: NEW}


async def test_before_the_migration_it_says_what_to_do(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        with pytest.raises(ArchiveUnavailable, match="threads-ml migrate"):
            await PostgresScheduleBook(pool).records()
