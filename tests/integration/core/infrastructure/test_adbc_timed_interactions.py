"""All interactions with their times, read from a real database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import numpy as np
import pytest

from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import InteractionWeights
from core.infrastructure.adbc_timed_interactions import read_timed_interactions

START = datetime(2026, 1, 1, 6)
ANNA, BEN = (UUID(int=number << 64) for number in (1, 2))
ONE, OTHER = (UUID(int=number << 96) for number in (1, 2))


async def add(database_url: str, *acts: tuple[UUID, UUID, str, datetime]) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.executemany(
        "insert into user_interaction (user_id, post_id, interaction_type, created_at) values ($1, $2, $3, $4)", acts
    )
    await connection.close()


async def test_interactions_come_in_the_order_of_time_with_rows_in_the_order_of_ids(migrated_database_url: str) -> None:
    await add(
        migrated_database_url,
        (BEN, ONE, "share", START + timedelta(hours=3)),
        (ANNA, OTHER, "view", START),
        (BEN, OTHER, "like", START + timedelta(minutes=90)),
    )

    dated = read_timed_interactions(migrated_database_url, InteractionWeights())

    read = dated.interactions
    assert (read.user_count, read.post_count) == (2, 2)
    assert read.users.tolist() == [0, 1, 1]
    assert read.posts.tolist() == [1, 1, 0]
    assert read.times.tolist() == [0, 1.5, 3]
    np.testing.assert_allclose(read.weights, [0.1, 0.7, 1.0])
    assert dated.moment_at(1.5) == (START + timedelta(minutes=90)).replace(tzinfo=UTC)
    assert dated.hours_at(datetime(2026, 1, 1, 9, tzinfo=UTC)) == 3


async def test_the_future_is_not_read(migrated_database_url: str) -> None:
    await add(migrated_database_url, (ANNA, ONE, "like", START), (ANNA, OTHER, "like", datetime(2999, 1, 1)))

    read = read_timed_interactions(migrated_database_url, InteractionWeights()).interactions

    assert read.times.tolist() == [0]


async def test_an_empty_table_gives_no_interactions(migrated_database_url: str) -> None:
    read = read_timed_interactions(migrated_database_url, InteractionWeights()).interactions

    assert (len(read.users), read.user_count, read.post_count) == (0, 0, 0)


def test_an_unreachable_database_is_said_in_one_line() -> None:
    with pytest.raises(ArchiveUnavailable, match=r"^[^\n]*refused[^\n]*$"):
        read_timed_interactions("postgresql://nobody@127.0.0.1:1/none", InteractionWeights())
