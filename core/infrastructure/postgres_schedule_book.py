"""The schedule's book in Postgres, one row a task."""

from collections.abc import Mapping
from dataclasses import astuple

from core.domain.schedule import Task, TaskRecord
from core.infrastructure.postgres_pool import Pool, borrowed

# Any number that nobody else in the database locks.
CLOCK_LOCK = 0x7468726561647302

_RECORDS = """
    select task, cron, tick, attempts, started_at, ended_at, has_failed, says, succeeded_at from schedule
"""
_ADD = """
    insert into schedule (task, cron, tick, attempts, started_at, ended_at, has_failed, says, succeeded_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (task) do nothing returning true
"""
_REPLACE = """
    update schedule set cron = $2, tick = $3, attempts = $4, started_at = $5, ended_at = $6, has_failed = $7,
        says = $8, succeeded_at = $9
    where task = $1 and (cron, tick, attempts) = ($10, $11, $12)
        and started_at is not distinct from $13 and ended_at is not distinct from $14
    returning true
"""
_IS_KEPT = """
    select exists (
        select from pg_locks where locktype = 'advisory' and granted and objsubid = 1
            and database = (select oid from pg_database where datname = current_database())
            and (classid::bigint << 32) + objid::bigint = $1
    )
"""


class PostgresScheduleBook:
    """A record replaces the one that was seen and no other, by the statement itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def records(self) -> Mapping[Task, TaskRecord]:
        """All rows; tasks of another version of the program are nobody's here."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_RECORDS)
        known = {task.value for task in Task}
        return {Task(task): TaskRecord(*record) for task, *record in rows if task in known}

    async def write(self, task: Task, record: TaskRecord, seen: TaskRecord | None) -> bool:
        """Add a row, or replace the one that was seen."""
        columns = (task.value, *astuple(record))
        async with borrowed(self._pool) as connection:
            if seen is None:
                return bool(await connection.fetchval(_ADD, *columns))
            place = (seen.cron, seen.tick, seen.attempts, seen.started_at, seen.ended_at)
            return bool(await connection.fetchval(_REPLACE, *columns, *place))

    async def is_kept(self) -> bool:
        """Whether some session holds the clock's lock."""
        async with borrowed(self._pool) as connection:
            return bool(await connection.fetchval(_IS_KEPT, CLOCK_LOCK))
