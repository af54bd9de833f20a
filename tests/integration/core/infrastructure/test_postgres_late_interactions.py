"""Whoever's feed cannot know of a row becomes due, however long ago the row says it happened."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from core.domain.errors import ArchiveUnavailable
from core.domain.feed import FeedOrder
from core.infrastructure import postgres_late_interactions
from core.infrastructure.postgres_due_users import PostgresDueUsers
from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_late_interactions import PAUSE_SECONDS, PostgresLateInteractions
from core.infrastructure.postgres_new_interactions import PostgresNewInteractions
from core.infrastructure.postgres_pool import Pool, open_pool
from tests.builders import feed_of
from tests.integration.core.infrastructure.postgres_rows import act, add_change, add_interactions, post, user

LONG_AGO = datetime.now(UTC) - timedelta(days=3)
WRITE_AT = "insert into user_interaction (user_id, post_id, interaction_type, created_at) values ($1, $2, 'like', $3)"


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url, 8) as opened:
        yield opened


async def store_feed(pool: Pool, of: int, generation: int = 1) -> None:
    await PostgresFeedArchive(pool).put(replace(feed_of(), user_id=user(of), order=FeedOrder(1, generation)))


async def marked(pool: Pool) -> int:
    """As if its time had come."""
    await pool.execute("update late_interaction_watermark set next_at = now()")
    return await PostgresLateInteractions(pool).mark_forgotten()


async def due(pool: Pool, *numbers: int) -> set[int]:
    found = await PostgresDueUsers(pool).among([user(number) for number in numbers])
    return {number for number in numbers if user(number) in found}


async def test_who_did_something_long_before_it_was_written_becomes_due_once(pool: Pool) -> None:
    await store_feed(pool, of=1)
    await store_feed(pool, of=2)
    await marked(pool)
    await add_interactions(pool, act(1, 1, LONG_AGO))

    async with PostgresNewInteractions(pool, just_read_seconds=0).read() as reading:
        assert reading is not None
        assert reading.changes == []
    counts = await marked(pool), await marked(pool)

    assert counts == (1, 0)
    assert await due(pool, 1, 2) == {1}


async def test_who_is_due_or_has_a_newer_feed_or_none_is_left_alone(pool: Pool) -> None:
    for number in (1, 2):
        await store_feed(pool, of=number)
    await add_change(pool, user(1), sequence=1)
    await add_interactions(pool, *(act(number, 1, LONG_AGO) for number in (1, 2, 3)))
    await store_feed(pool, of=2, generation=2)

    assert await marked(pool) == 0
    assert await due(pool, 1, 2, 3) == {1}
    assert await pool.fetchval("select sequence from user_change where user_id = $1", user(1)) == 1


async def test_what_is_committed_after_a_look_is_found_by_the_next(pool: Pool, migrated_database_url: str) -> None:
    await store_feed(pool, of=1)
    writer: Any = await asyncpg.connect(migrated_database_url)
    late = writer.transaction()
    await late.start()
    await writer.execute(WRITE_AT, user(1), post(1), LONG_AGO.replace(tzinfo=None))
    before = await marked(pool)

    await late.commit()
    await writer.close()

    assert (before, await marked(pool)) == (0, 1)


async def test_it_rests_between_two_looks_whoever_asks(pool: Pool) -> None:
    await store_feed(pool, of=1)
    await marked(pool)
    await add_interactions(pool, act(1, 1, LONG_AGO))

    count = await PostgresLateInteractions(pool).mark_forgotten()

    assert count == 0
    pause = await pool.fetchval("select next_at - now() from late_interaction_watermark")
    assert timedelta() < pause <= timedelta(seconds=PAUSE_SECONDS)
    assert await marked(pool) == 1


async def test_it_rests_after_a_look_that_took_too_long_and_nobody_is_forgotten(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_feed(pool, of=1)
    await add_interactions(pool, act(1, 1, LONG_AGO))
    monkeypatch.setattr(postgres_late_interactions, "LONGEST_READ_SECONDS", 0.1)

    async with pool.acquire() as other, other.transaction():
        await other.execute("lock table feed in access exclusive mode")
        with pytest.raises(ArchiveUnavailable):
            await marked(pool)
    monkeypatch.undo()

    assert await PostgresLateInteractions(pool).mark_forgotten() == 0
    assert await marked(pool) == 1


async def test_one_process_at_a_time_looks(pool: Pool) -> None:
    await store_feed(pool, of=1)
    await add_interactions(pool, act(1, 1, LONG_AGO))
    await pool.execute("update late_interaction_watermark set next_at = now()")

    async with pool.acquire() as other, other.transaction():
        await other.execute("select from late_interaction_watermark for update")
        meanwhile = await PostgresLateInteractions(pool).mark_forgotten()

    assert (meanwhile, await marked(pool)) == (0, 1)


@pytest.mark.parametrize("said", ["next_at = now(), all_before = '9000000000'", "next_at = now() + interval '3 days'"])
async def test_what_another_server_or_another_time_has_said_hides_nobody(pool: Pool, said: str) -> None:
    await store_feed(pool, of=1)
    await add_interactions(pool, act(1, 1, LONG_AGO))
    await pool.execute(f"update late_interaction_watermark set {said}")

    assert await PostgresLateInteractions(pool).mark_forgotten() == 1
