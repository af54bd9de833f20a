"""Histories of many users are those of each, in arrays."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest

from core.domain.history import History
from core.domain.interaction import InteractionType
from core.infrastructure.history_arrays import HistoryArrays
from core.infrastructure.postgres_history_batches import PostgresHistoryBatches
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_pool import Pool, open_pool
from tests.integration.core.infrastructure.postgres_rows import add_change, post, user

SINCE_2000 = datetime(2000, 1, 1, tzinfo=UTC)
_ADD = "insert into user_interaction (user_id, post_id, interaction_type, created_at) values ($1, $2, $3, $4)"
KINDS = [kind.value for kind in InteractionType]


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


def acts_of(batch: HistoryArrays, user_id: UUID) -> list[tuple[UUID, str, datetime]]:
    """In no order."""
    (place,) = np.flatnonzero(batch.user_keys == np.array(user_id.bytes, dtype="S16"))
    some = slice(batch.starts[place], batch.starts[place + 1])
    keys = np.ascontiguousarray(batch.post_keys[some]).view(np.uint8).reshape(-1, 16)
    moments = [SINCE_2000 + timedelta(microseconds=int(moment)) for moment in batch.moments[some]]
    return [
        (UUID(bytes=key.tobytes()), KINDS[code], moment)
        for key, code, moment in zip(keys, batch.type_codes[some], moments, strict=True)
    ]


def plain(history: History) -> list[tuple[UUID, str, datetime]]:
    return [(act.post_id, act.type.value, act.created_at) for act in history.interactions]


async def test_a_batch_holds_the_history_of_each_user_and_of_nobody_else(pool: Pool) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [
        (user(number % 7), post(number % 11), KINDS[number % 4], now - timedelta(microseconds=number))
        for number in range(100)
    ]
    await pool.executemany(_ADD, rows)
    asked = [user(5), user(1), user(3), uuid4()]

    batch = await PostgresHistoryBatches(pool).read(asked)

    histories = [await PostgresInteractionHistory(pool).read(user_id) for user_id in asked[:3]]
    assert len(batch.user_keys) == 3
    for history in histories:
        assert sorted(acts_of(batch, history.user_id)) == sorted(plain(history))
    assert SINCE_2000 + timedelta(microseconds=batch.data_now) == histories[0].data_now
    assert (batch.generation, batch.epoch) == (histories[0].generation - 1, histories[0].epoch)
    assert sorted(batch.user_keys.tolist()) == batch.user_keys.tolist()


async def test_types_that_nobody_knows_are_left_out(pool: Pool) -> None:
    await pool.execute(_ADD, user(1), post(1), "bookmark", datetime(2026, 1, 1))

    batch = await PostgresHistoryBatches(pool).read([user(1)])

    assert len(batch.user_keys) == len(batch.post_keys) == 0
    assert batch.starts.tolist() == [0]


async def test_ids_that_end_in_zeros_are_whole(pool: Pool) -> None:
    rounded = UUID(int=1 << 96)
    await pool.execute(_ADD, rounded, rounded, "like", datetime(2026, 1, 1))

    batch = await PostgresHistoryBatches(pool).read([rounded])

    assert [post_id for post_id, _, _ in acts_of(batch, rounded)] == [rounded]


async def test_where_nothing_has_ever_happened_a_batch_is_empty(pool: Pool) -> None:
    batch = await PostgresHistoryBatches(pool).read([])

    assert len(batch.user_keys) == 0


async def test_whole_histories_are_read_without_a_look_at_the_table(pool: Pool) -> None:
    await pool.execute("""
        insert into user_interaction (user_id, post_id, interaction_type, created_at)
        select md5((place % 500)::text)::uuid, gen_random_uuid(), 'like', now() - place * interval '1 second'
        from generate_series(1, 20000) as place
    """)
    await pool.execute("vacuum analyze user_interaction")
    one = await pool.fetchval("select user_id from user_interaction limit 1")

    async with pool.acquire() as connection, connection.transaction():
        # Which of the two is cheaper depends on what was vacuumed; that the index alone will do does not.
        await connection.execute("set local enable_bitmapscan = off")
        plan = await connection.fetch(
            f"explain select post_id, interaction_type, created_at from user_interaction where user_id = '{one}'"
        )

    assert "Index Only Scan using threads_ml_user_interaction_history" in "".join(row[0] for row in plan)


async def test_each_history_has_the_number_of_its_users_latest_change(pool: Pool) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    await pool.executemany(_ADD, [(user(number), post(1), "like", now) for number in range(5)])
    for number, sequence in ((3, 30), (1, 10), (9, 90)):
        await add_change(pool, user(number), sequence)

    batch = await PostgresHistoryBatches(pool).read([user(number) for number in range(10)])

    assert batch.sequences.tolist() == [0, 10, 0, 30, 0]
    assert (await PostgresHistoryBatches(pool).read([user(9)])).sequences.tolist() == []
