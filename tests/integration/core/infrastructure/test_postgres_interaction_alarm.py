"""Who waits for interactions is woken when some are written, where the trigger is there."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.infrastructure.postgres_interaction_alarm import PostgresInteractionAlarm
from core.infrastructure.postgres_pool import open_pool
from tests.integration.core.infrastructure.postgres_rows import post, user
from tests.integration.worker.conftest import until

WRITE = "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $2, 'like')"
LISTENING = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
LONG_SECONDS = 60.0


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Any]:
    async with open_pool(migrated_database_url, 1) as opened:
        yield opened


async def ring(pool: Any, alarm: PostgresInteractionAlarm) -> None:
    """Write until it is heard: when the listener is ready shows in nothing else."""
    waiting = asyncio.create_task(alarm.wait(LONG_SECONDS))
    while not waiting.done():
        await pool.execute(WRITE, user(1), post(1))
        await asyncio.wait({waiting}, timeout=0.05)


async def test_who_waits_is_woken_by_a_statement_that_adds_rows(migrated_database_url: str, pool: Any) -> None:
    began = time.monotonic()
    async with PostgresInteractionAlarm(migrated_database_url) as alarm:
        await ring(pool, alarm)

    assert time.monotonic() - began < LONG_SECONDS


async def test_what_rang_while_nobody_waited_is_heard_afterwards_once(migrated_database_url: str, pool: Any) -> None:
    async with PostgresInteractionAlarm(migrated_database_url) as alarm:
        await ring(pool, alarm)
        alarm._ring()

        await alarm.wait(LONG_SECONDS)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await alarm.wait(LONG_SECONDS)


async def test_where_the_trigger_is_missing_no_connection_is_kept(migrated_database_url: str, pool: Any) -> None:
    await pool.execute("drop trigger threads_ml_interactions_written on user_interaction")
    looked = asyncio.Event()

    class Watched(PostgresInteractionAlarm):
        async def _is_announced(self, connection: Any) -> bool:
            looked.set()
            return await super()._is_announced(connection)

    async def is_alone() -> bool:
        return bool(await pool.fetchval(LISTENING) == 0)

    async with Watched(migrated_database_url):
        await looked.wait()
        await until(is_alone, "the connection was given up")


async def test_while_postgres_is_away_the_time_is_waited_out() -> None:
    async with PostgresInteractionAlarm("postgresql://u:p@127.0.0.1:1/d") as alarm:
        await alarm.wait(0.01)
