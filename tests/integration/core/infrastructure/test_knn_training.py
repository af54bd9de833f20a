"""Training from a real database, through ADBC."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from core.domain.errors import ArchiveUnavailable, NotTrainable
from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType, InteractionWeights
from core.infrastructure.joblib_model_file import read_model
from core.infrastructure.knn_model import KnnModel
from core.infrastructure.knn_training import KnnTraining
from core.infrastructure.postgres_interaction_writer import InteractionRow, PostgresInteractionWriter
from core.infrastructure.postgres_pool import open_pool

NOW = datetime(2026, 11, 1, 12)
ANNA, BEN, CLEO = (UUID(int=number << 64) for number in (1, 2, 3))
POSTS = [UUID(int=number << 96) for number in range(1, 5)]


def rows(*acts: tuple[UUID, UUID, str]) -> list[InteractionRow]:
    return [
        (UUID(int=number), user_id, post_id, kind, NOW - timedelta(hours=number))
        for number, (user_id, post_id, kind) in enumerate(acts)
    ]


def training(database_url: str, folder: Path) -> KnnTraining:
    return KnnTraining(database_url, folder, InteractionWeights(), half_life_hours=0.0, neighbour_count=10)


async def add(database_url: str, interactions: list[InteractionRow]) -> int:
    async with open_pool(database_url) as pool:
        return await PostgresInteractionWriter(pool).add(interactions)


async def test_a_model_is_learned_from_the_table_and_says_from_what(migrated_database_url: str, tmp_path: Path) -> None:
    await add(
        migrated_database_url,
        rows(
            (ANNA, POSTS[0], "like"), (ANNA, POSTS[1], "view"), (BEN, POSTS[0], "share"), (BEN, POSTS[3], "unheard-of")
        ),
    )

    trained = await training(migrated_database_url, tmp_path).train()

    assert (trained.interaction_count, trained.user_count, trained.post_count) == (3, 2, 2)
    assert trained.data_up_to == NOW.replace(tzinfo=UTC)
    assert trained.data_from == (NOW - timedelta(hours=2)).replace(tzinfo=UTC)
    assert trained.parameters["n_neighbors"] == 10


async def test_what_was_learned_serves_a_live_history(migrated_database_url: str, tmp_path: Path) -> None:
    await add(migrated_database_url, rows((ANNA, POSTS[0], "like"), (ANNA, POSTS[1], "like"), (BEN, POSTS[2], "like")))
    trained = await training(migrated_database_url, tmp_path).train()
    model = KnnModel.from_arrays(read_model(trained.path, trained.path.stem))
    now = NOW.replace(tzinfo=UTC)
    history = History(CLEO, (Interaction(CLEO, POSTS[0], InteractionType.LIKE, now),), 1, now)

    assert [post_id for post_id, _ in model.rank(history, 10)] == [POSTS[1]]


async def test_the_same_data_gives_the_same_bytes(migrated_database_url: str, tmp_path: Path) -> None:
    await add(migrated_database_url, rows((ANNA, POSTS[0], "like"), (BEN, POSTS[1], "like"), (ANNA, POSTS[1], "view")))

    one = await training(migrated_database_url, tmp_path / "one").train()
    other = await training(migrated_database_url, tmp_path / "other").train()

    assert one.path.read_bytes() == other.path.read_bytes()


@pytest.mark.parametrize(
    "acts", [(), ((ANNA, POSTS[0], "like"), (ANNA, POSTS[1], "like")), ((ANNA, POSTS[0], "view"),)]
)
async def test_too_little_to_learn_from_is_said_in_one_line(
    migrated_database_url: str, tmp_path: Path, acts: tuple[tuple[UUID, UUID, str], ...]
) -> None:
    await add(migrated_database_url, rows(*acts))

    with pytest.raises(NotTrainable, match="at least two users and two posts"):
        await training(migrated_database_url, tmp_path).train()


async def test_a_table_with_time_zones_is_read_the_same(migrated_database_url: str, tmp_path: Path) -> None:
    await add(migrated_database_url, rows((ANNA, POSTS[0], "like"), (BEN, POSTS[1], "like")))
    naive = await training(migrated_database_url, tmp_path).train()
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(
        "alter table user_interaction alter column created_at type timestamptz using created_at at time zone 'utc'"
    )
    await connection.close()

    aware = await training(migrated_database_url, tmp_path).train()

    assert aware.data_up_to == naive.data_up_to


async def test_rows_of_an_adopted_table_that_lack_something_are_passed_over(
    migrated_database_url: str, tmp_path: Path
) -> None:
    await add(migrated_database_url, rows((ANNA, POSTS[0], "like"), (BEN, POSTS[1], "like")))
    connection = await asyncpg.connect(migrated_database_url)
    for column in ("user_id", "post_id", "created_at"):
        await connection.execute(f"alter table user_interaction alter column {column} drop not null")
        whole = {"user_id": CLEO, "post_id": POSTS[2], "created_at": NOW}
        await connection.execute(
            "insert into user_interaction (user_id, post_id, created_at, interaction_type) values ($1, $2, $3, 'like')",
            *(whole | {column: None}).values(),
        )
    await connection.close()

    trained = await training(migrated_database_url, tmp_path).train()

    assert (trained.interaction_count, trained.user_count, trained.post_count) == (2, 2, 2)


async def test_an_unreachable_database_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnavailable, match=r"^[^\n]*refused[^\n]*$"):
        await training("postgresql://nobody@127.0.0.1:1/none", tmp_path).train()


async def test_a_database_without_the_schema_is_told_apart(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnavailable, match="run `threads-ml migrate`"):
        await training(database_url, tmp_path).train()


async def test_interactions_that_are_there_already_are_not_added_again(migrated_database_url: str) -> None:
    interactions = rows((ANNA, POSTS[0], "like"), (BEN, POSTS[1], "like"))

    assert await add(migrated_database_url, interactions) == 2
    assert await add(migrated_database_url, interactions) == 0
