"""Whatever is written to the interactions is read, however late it is committed, and by whomever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from core.application.ports.new_interactions import Reading
from core.domain.user_change import SEEN_AT_MOST
from core.infrastructure import postgres_new_interactions
from core.infrastructure.postgres_due_users import PostgresDueUsers
from core.infrastructure.postgres_new_interactions import PostgresNewInteractions
from core.infrastructure.postgres_pool import open_pool
from tests.integration.core.infrastructure.postgres_rows import post, user

WRITE = "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $2, 'like')"
WRITE_AT = "insert into user_interaction (user_id, post_id, interaction_type, created_at) values ($1, $2, 'like', $3)"
ACCEPT = """
    with marked as (
        insert into user_change values ($1, nextval('interaction_sequence'), now(), true)
        on conflict (user_id) do update set sequence = nextval('interaction_sequence') returning sequence
    )
    insert into accepted_batch select pg_current_xact_id(), sequence, now(), array[$1] from marked
"""


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Any]:
    async with open_pool(migrated_database_url, 8) as opened:
        yield opened


@pytest.fixture
def interactions(pool: Any) -> PostgresNewInteractions:
    """Without an overlap, which would hide what the other means miss."""
    return PostgresNewInteractions(pool, overlap_seconds=0, just_read_seconds=0)


@pytest.fixture
async def writer(migrated_database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(migrated_database_url)
    yield connection
    await connection.close()


async def read(interactions: PostgresNewInteractions) -> dict[UUID, list[UUID]]:
    async with interactions.read() as reading:
        assert reading is not None
        return {change.user_id: list(change.post_ids) for change in reading.changes}


async def sequence_of(pool: Any, user_id: UUID) -> int | None:
    sequence: int | None = await pool.fetchval("select sequence from user_change where user_id = $1", user_id)
    return sequence


async def test_who_acted_is_due_and_told_once_with_the_newest_post_first(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    for number in (1, 2, 3):
        await pool.execute(WRITE, user(1), post(number))
    await pool.execute(WRITE, user(2), post(1))

    async with interactions.read() as reading:
        assert reading is not None
        told = {change.user_id: change for change in reading.changes}

    assert told[user(1)].post_ids == [post(3), post(2), post(1)]
    assert told[user(2)].post_ids == [post(1)]
    assert told[user(1)].sequence == await sequence_of(pool, user(1))
    assert await PostgresDueUsers(pool).among([user(1), user(2), user(3)]) == {user(1), user(2)}
    assert await read(interactions) == {}


async def test_each_change_has_a_higher_sequence(interactions: PostgresNewInteractions, pool: Any) -> None:
    await pool.execute(WRITE, user(1), post(1))
    await read(interactions)
    first = await sequence_of(pool, user(1))
    await pool.execute(WRITE, user(1), post(2))

    await read(interactions)

    second = await sequence_of(pool, user(1))
    assert first is not None
    assert second is not None
    assert second > first


async def test_what_is_committed_late_is_read_then_and_what_was_read_is_not_read_again(
    interactions: PostgresNewInteractions, pool: Any, writer: Any
) -> None:
    late = writer.transaction()
    await late.start()
    await writer.execute(WRITE, user(1), post(1))
    await pool.execute(WRITE, user(2), post(2))
    assert await read(interactions) == {user(2): [post(2)]}
    await pool.execute(WRITE, user(3), post(3))
    assert await read(interactions) == {user(3): [post(3)]}

    await late.commit()

    assert await read(interactions) == {user(1): [post(1)]}
    assert await read(interactions) == {}
    assert await pool.fetchval("select count(*) from read_transaction") == 0


async def test_what_was_written_behind_a_savepoint_of_an_open_transaction_is_not_lost(
    interactions: PostgresNewInteractions, pool: Any, writer: Any
) -> None:
    late = writer.transaction()
    await late.start()
    await writer.execute(WRITE, user(1), post(1))
    async with writer.transaction():
        await writer.execute(WRITE, user(2), post(2))
    await pool.execute(WRITE, user(3), post(3))
    await read(interactions)

    await late.commit()

    assert await read(interactions) == {user(1): [post(1)], user(2): [post(2)]}
    assert await read(interactions) == {}


async def test_what_is_rolled_back_is_never_read(interactions: PostgresNewInteractions, pool: Any, writer: Any) -> None:
    late = writer.transaction()
    await late.start()
    await writer.execute(WRITE, user(1), post(1))
    await read(interactions)

    await late.rollback()

    assert await read(interactions) == {}
    assert await sequence_of(pool, user(1)) is None


async def test_a_transaction_that_began_long_before_it_wrote_is_waited_for(
    interactions: PostgresNewInteractions, pool: Any, writer: Any
) -> None:
    late = writer.transaction()
    await late.start()
    began = await writer.fetchval("select now()")
    for number in range(3):
        await pool.execute(WRITE, user(2), post(number))
        await read(interactions)

    await writer.execute(WRITE, user(1), post(1))
    await late.commit()

    assert began <= await pool.fetchval(
        "select created_at::timestamptz from user_interaction where user_id = $1", user(2)
    )
    assert await read(interactions) == {user(1): [post(1)]}


async def test_a_time_before_the_transaction_s_own_is_found_within_the_overlap(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    await read(interactions)
    a_while_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=30)
    await pool.execute(WRITE_AT, user(1), post(1), a_while_ago)
    missed = await read(interactions)
    await pool.execute(WRITE_AT, user(2), post(2), a_while_ago)

    found = await read(PostgresNewInteractions(pool, overlap_seconds=60, just_read_seconds=0))

    assert (missed, found) == ({}, {user(2): [post(2)]})


async def test_after_the_clock_was_set_back_everything_is_read(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    await pool.execute("update interaction_watermark set floor = now() + interval '1 hour', read_at = floor")
    await pool.execute(WRITE, user(1), post(1))

    assert await read(interactions) == {user(1): [post(1)]}
    assert await pool.fetchval("select floor <= now() from interaction_watermark")


async def test_a_watermark_that_a_backup_brought_from_a_busier_server_hides_nothing(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    await pool.execute("update interaction_watermark set all_before = '9000000000'")
    await pool.execute(WRITE, user(1), post(1))

    assert await read(interactions) == {user(1): [post(1)]}
    assert await read(interactions) == {}


async def test_who_marked_their_users_themselves_is_told_but_not_marked_again(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ACCEPT, user(1))
        await connection.execute(WRITE, user(1), post(1))
    marked = await sequence_of(pool, user(1))

    async with interactions.read() as reading:
        assert reading is not None
        changes = list(reading.changes)

    assert [(change.user_id, change.sequence, change.post_ids) for change in changes] == [(user(1), marked, [post(1)])]
    assert await sequence_of(pool, user(1)) == marked
    assert await read(interactions) == {}
    assert await pool.fetchval("select count(*) from accepted_batch") == 0


async def test_who_marked_their_users_is_told_also_of_times_long_ago(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ACCEPT, user(1))
        await connection.execute(WRITE_AT, user(1), post(1), datetime(2020, 1, 1))

    assert await read(interactions) == {user(1): []}
    assert await read(interactions) == {}


async def test_marks_of_a_transaction_that_others_outrun_are_told_once(
    interactions: PostgresNewInteractions, pool: Any, writer: Any
) -> None:
    oldest = writer.transaction()
    await oldest.start()
    await writer.execute(WRITE, user(9), post(9))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ACCEPT, user(1))
        await connection.execute(WRITE, user(1), post(1))

    assert await read(interactions) == {user(1): [post(1)]}
    assert await read(interactions) == {}
    await oldest.commit()
    assert await read(interactions) == {user(9): [post(9)]}


async def test_after_an_error_the_next_look_finds_it_all_again(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    await pool.execute(WRITE, user(1), post(1))

    with pytest.raises(RuntimeError):
        async with interactions.read():
            raise RuntimeError

    assert await sequence_of(pool, user(1)) is None
    assert await read(interactions) == {user(1): [post(1)]}


async def test_one_process_reads_at_a_time(interactions: PostgresNewInteractions, pool: Any) -> None:
    await pool.execute(WRITE, user(1), post(1))

    async with interactions.read() as first, interactions.read() as second:
        assert first is not None
        assert second is None


async def test_who_comes_just_after_another_does_not_look(pool: Any) -> None:
    patient = PostgresNewInteractions(pool, just_read_seconds=60)
    async with patient.read() as first:
        assert first is None or isinstance(first, Reading)
    await pool.execute("update interaction_watermark set read_at = now() + interval '1 hour'")

    async with patient.read() as after_a_jump_of_the_clock:
        assert after_a_jump_of_the_clock is not None
    async with patient.read() as just_after:
        assert just_after is None


async def test_readers_and_writers_of_the_same_users_never_block_each_other_for_good(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    async def write(first: int) -> None:
        for number in range(first, first + 30):
            await pool.execute(WRITE, user(number % 3), post(number))
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(ACCEPT, user(number % 3))
                await connection.execute(WRITE, user(number % 3), post(500 + number))

    found: dict[UUID, set[UUID]] = {user(number): set() for number in range(3)}

    async def look() -> None:
        async with interactions.read() as reading:
            for change in reading.changes if reading is not None else ():
                assert not found[change.user_id] & set(change.post_ids)
                found[change.user_id] |= set(change.post_ids)

    async with asyncio.timeout(30):
        writing = [asyncio.create_task(write(100 * writer)) for writer in range(3)]
        while not all(task.done() for task in writing):
            await look()
        await look()

    assert all(task.exception() is None for task in writing)
    assert {user_id: len(posts) for user_id, posts in found.items()} == {user(number): 60 for number in range(3)}


async def test_types_that_nobody_here_knows_and_what_lacks_an_id_make_nobody_due(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    await pool.execute("alter table user_interaction alter post_id drop not null")
    await pool.execute(WRITE.replace("'like'", "'follow'"), user(1), post(1))
    await pool.execute(WRITE, user(2), None)

    assert await read(interactions) == {}


async def test_of_very_many_rows_the_users_are_marked_but_not_told(
    interactions: PostgresNewInteractions, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_new_interactions, "TOLD_AT_MOST", 2)
    for number in (1, 2, 3):
        await pool.execute(WRITE, user(number), post(1))

    async with interactions.read() as reading:
        assert reading == Reading([], is_whole=False)

    assert await PostgresDueUsers(pool).among([user(1), user(2), user(3)]) == {user(1), user(2), user(3)}


async def test_of_one_user_no_more_posts_are_told_than_are_remembered(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    await pool.executemany(WRITE, [(user(1), post(number)) for number in range(SEEN_AT_MOST + 10)])

    assert len((await read(interactions))[user(1)]) == SEEN_AT_MOST


async def test_a_table_of_the_app_s_with_times_in_zones_is_read_too(
    interactions: PostgresNewInteractions, pool: Any
) -> None:
    await pool.execute(
        "alter table user_interaction alter created_at type timestamptz using created_at at time zone 'utc'"
    )
    await pool.execute("alter table user_interaction alter created_at set default now()")
    await pool.execute(WRITE, user(1), post(1))

    assert await read(interactions) == {user(1): [post(1)]}


async def test_due_users_are_counted(interactions: PostgresNewInteractions, pool: Any) -> None:
    nobody = await PostgresDueUsers(pool).level()
    await pool.execute(WRITE, user(1), post(1))
    await read(interactions)

    level = await PostgresDueUsers(pool).level()

    assert (nobody.users, nobody.oldest_changed_at, nobody.sequence) == (0, None, 0)
    assert (level.users, level.sequence) == (1, await sequence_of(pool, user(1)))
    assert level.read_at is not None
    assert level.oldest_changed_at is not None
