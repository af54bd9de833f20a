"""What came since a snapshot is found once, late commits included."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import InteractionType, InteractionWeights
from core.infrastructure import postgres_interaction_tail
from core.infrastructure.adbc_model_training import AdbcModelTraining
from core.infrastructure.interaction_arrays import InteractionArrays
from core.infrastructure.key_rows import ids_of
from core.infrastructure.postgres_interaction_tail import (
    PostgresInteractionTail,
    TailPosition,
    TailRead,
    end_of_data,
)
from core.infrastructure.postgres_pool import Pool, open_pool
from tests.builders import model_record_of
from tests.integration.core.infrastructure.postgres_rows import act, add_interactions, post, user

_ADD = "insert into user_interaction (user_id, post_id, interaction_type) values ($1, $2, 'like')"
EVERYTHING = TailPosition(None, datetime(2000, 1, 1, tzinfo=UTC))


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


def nobody(user_keys: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    return user_keys[:0]


def posts_of(acts: InteractionArrays) -> list[int]:
    """Numbers of the posts, as `post` makes them, ascending."""
    return sorted(post_id.int - 2000 for post_id in ids_of(acts.post_keys))


async def read(tail: PostgresInteractionTail, position: TailPosition) -> TailRead:
    return await tail.read(position, datetime.now(UTC), nobody)


async def like(connection: Pool, by: int, on: int) -> None:
    """As an app does, at the moment that its transaction began."""
    await connection.execute(_ADD, user(by), post(on))


async def test_each_interaction_is_found_once_by_whoever_reads_on(pool: Pool) -> None:
    tail, now = PostgresInteractionTail(pool, 100), datetime.now(UTC)
    await add_interactions(pool, act(1, 1, now, InteractionType.SHARE, hours_ago=900))
    await like(pool, 1, 2)

    first = await read(tail, EVERYTHING)
    await like(pool, 2, 3)
    second = await read(tail, first.position)
    third = await read(tail, second.position)

    assert [posts_of(found.acts) for found in (first, second, third)] == [[1, 2], [3], []]
    shared = first.acts.of(first.acts.type_codes == list(InteractionType).index(InteractionType.SHARE))
    since = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(shared.moments[0]))
    assert since == now - timedelta(hours=900)
    assert abs(second.now - now) < timedelta(minutes=1)


async def test_what_is_committed_late_is_found_though_others_are_younger(pool: Pool) -> None:
    tail = PostgresInteractionTail(pool, 100)
    async with pool.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await like(late, 1, 1)
        await like(pool, 1, 2)
        first = await read(tail, EVERYTHING)
        await like(pool, 1, 3)
        second = await read(tail, first.position)
        await transaction.commit()
    third = await read(tail, second.position)

    assert [posts_of(found.acts) for found in (first, second, third)] == [[2], [3], [1]]


async def test_what_was_written_behind_a_savepoint_of_an_open_transaction_is_found(pool: Pool) -> None:
    tail = PostgresInteractionTail(pool, 100)
    async with pool.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("select pg_current_xact_id()")
        async with late.transaction():
            await like(late, 1, 1)
        await like(pool, 1, 2)
        first = await read(tail, EVERYTHING)
        second = await read(tail, first.position)
        await transaction.commit()
    third = await read(tail, second.position)
    fourth = await read(tail, third.position)

    assert [posts_of(found.acts) for found in (first, second, third, fourth)] == [[2], [], [1], []]


@pytest.mark.parametrize(("overlap_seconds", "found"), [(60, []), (600, [1])])
async def test_rows_may_be_dated_as_long_before_their_transaction_as_the_overlap_says(
    pool: Pool, overlap_seconds: float, found: list[int]
) -> None:
    tail = PostgresInteractionTail(pool, 100, overlap_seconds)
    first = await read(tail, EVERYTHING)
    await add_interactions(pool, act(1, 1, datetime.now(UTC), hours_ago=5 / 60))

    assert posts_of((await read(tail, first.position)).acts) == found


async def test_a_transaction_that_has_been_open_for_minutes_is_looked_back_for(pool: Pool) -> None:
    tail = PostgresInteractionTail(pool, 100, overlap_seconds=0)
    async with pool.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("select 1")
        await like(pool, 1, 2)
        first = await read(tail, EVERYTHING)
        await like(late, 1, 1)
        await transaction.commit()

    assert posts_of((await read(tail, first.position)).acts) == [1]


async def test_a_model_s_tail_begins_with_what_its_training_did_not_see(
    pool: Pool, migrated_database_url: str, tmp_path: Path
) -> None:
    await add_interactions(pool, *(act(by, on, datetime.now(UTC)) for by in (1, 2) for on in (1, 2)))
    async with pool.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await like(late, 1, 7)
        trained = await AdbcModelTraining(migrated_database_url, tmp_path, InteractionWeights()).train()
        await transaction.commit()
    await like(pool, 3, 8)
    record = replace(
        model_record_of(trained_at=datetime.now(UTC)),
        data_up_to=trained.data_up_to,
        data_snapshot=trained.data_snapshot,
        data_open_since=trained.data_open_since,
    )

    found = await read(PostgresInteractionTail(pool, 100), end_of_data(record))

    assert trained.interaction_count == 4
    assert posts_of(found.acts) == [7, 8]


async def test_a_snapshot_of_another_server_is_not_believed(pool: Pool) -> None:
    tail, now = PostgresInteractionTail(pool, 100), datetime.now(UTC)
    await add_interactions(pool, act(1, 1, now, hours_ago=2), act(1, 2, now, hours_ago=1))
    elsewhere = TailPosition("99999999:99999999:", now - timedelta(days=1))

    found = await tail.read(elsewhere, now - timedelta(hours=1.5), nobody)

    assert posts_of(found.acts) == [2]
    assert posts_of((await read(tail, found.position)).acts) == []


async def test_of_more_than_are_asked_for_the_newest_are_given(pool: Pool) -> None:
    now = datetime.now(UTC)
    await add_interactions(pool, *(act(1, number, now, hours_ago=number) for number in range(10)))

    assert posts_of((await read(PostgresInteractionTail(pool, 3), EVERYTHING)).acts) == [0, 1, 2]


async def test_what_is_no_interaction_is_passed_over(pool: Pool) -> None:
    await pool.execute("insert into user_interaction (user_id, post_id, interaction_type) values ($1, $2, 'hover')",
                       user(1), post(1))  # fmt: skip

    assert posts_of((await read(PostgresInteractionTail(pool, 10), EVERYTHING)).acts) == []


async def test_the_newest_of_the_histories_that_are_wanted_come_with_it(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_interaction_tail, "SHARE_FOR_HISTORIES", 1.0)
    tail, now = PostgresInteractionTail(pool, 100), datetime.now(UTC)
    await add_interactions(pool, *(act(1, number, now, hours_ago=900 + number) for number in range(120)))
    await add_interactions(pool, act(2, 500, now, hours_ago=900))
    position = (await read(tail, EVERYTHING)).position
    await like(pool, 1, 700)
    await like(pool, 2, 701)

    found = await tail.read(position, now, lambda users: np.unique(users)[:1])

    assert posts_of(found.acts) == [700, 701]
    assert posts_of(found.histories) == [*range(99), 700]


async def test_without_postgres_it_says_so(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url.replace("/test_", "/no_such_")) as pool:
        with pytest.raises(ArchiveUnavailable):
            await read(PostgresInteractionTail(pool, 10), EVERYTHING)
