"""Training from a real database, through ADBC."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from core.domain.errors import ArchiveUnavailable, ConfigurationError, NotTrainable
from core.domain.history import History
from core.domain.interaction import Interaction, InteractionType, InteractionWeights
from core.infrastructure.adbc_model_training import AdbcModelTraining
from core.infrastructure.gathered_interactions import SlicedInteractions
from core.infrastructure.joblib_model_file import read_model
from core.infrastructure.postgres_interaction_writer import InteractionRow, PostgresInteractionWriter
from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.ranking_model import RankingModel
from core.infrastructure.training_memory import TrainingMemory
from core.recommender.user_knn import BOUNDED_ADDITIONS

NOW = datetime(2026, 11, 1, 12)
FAR = datetime(2030, 1, 1, tzinfo=UTC)
ANNA, BEN, CLEO = (UUID(int=number << 64) for number in (1, 2, 3))
POSTS = [UUID(int=number << 96) for number in range(1, 5)]


def rows(*acts: tuple[UUID, UUID, str]) -> list[InteractionRow]:
    return [
        (UUID(int=number), user_id, post_id, kind, NOW - timedelta(hours=number))
        for number, (user_id, post_id, kind) in enumerate(acts)
    ]


def training(
    database_url: str, folder: Path, half_life_hours: float = 0.0, memory_limit_mb: int = 0, weight: float = 1.0
) -> AdbcModelTraining:
    weights = InteractionWeights(weight, weight, weight, weight)
    parameters = {"k": 10, "similarity_half_life": half_life_hours}
    return AdbcModelTraining(database_url, folder, weights, parameters=parameters, memory_limit_mb=memory_limit_mb)


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
    assert trained.parameters["k"] == 10


async def test_what_was_learned_serves_a_live_history(migrated_database_url: str, tmp_path: Path) -> None:
    await add(migrated_database_url, rows((ANNA, POSTS[0], "like"), (ANNA, POSTS[1], "like"), (BEN, POSTS[2], "like")))
    trained = await training(migrated_database_url, tmp_path).train()
    model = RankingModel.from_arrays(read_model(trained.path, trained.path.stem))
    now = NOW.replace(tzinfo=UTC)
    history = History(CLEO, (Interaction(CLEO, POSTS[0], InteractionType.LIKE, now),), 1, now)

    assert [post_id for post_id, _ in model.rank(history, 10)] == [POSTS[1]]


@pytest.mark.parametrize(("exact_up_to_users", "additions"), [(2, 0), (1, BOUNDED_ADDITIONS)])
async def test_models_of_more_users_than_the_setting_says_are_bounded(
    migrated_database_url: str, tmp_path: Path, exact_up_to_users: int, additions: int
) -> None:
    await add(migrated_database_url, rows((ANNA, POSTS[0], "like"), (BEN, POSTS[1], "like")))

    trained = await AdbcModelTraining(
        migrated_database_url, tmp_path, InteractionWeights(), exact_up_to_users=exact_up_to_users
    ).train()

    assert trained.parameters["additions"] == additions


@pytest.mark.parametrize(
    ("algorithm", "parameters", "reason"),
    [
        ("user_kn", {}, "there is no algorithm 'user_kn': there are user_knn"),
        ("user_knn", {"kk": 3}, "user_knn: there is no parameter 'kk': it has k, shrinkage"),
        ("user_knn", {"k": "0"}, "user_knn: k=0 is wrong: a whole number from 1"),
    ],
)
async def test_an_algorithm_or_parameter_that_cannot_be_is_named(
    migrated_database_url: str, tmp_path: Path, algorithm: str, parameters: dict[str, str], reason: str
) -> None:
    training = AdbcModelTraining(
        migrated_database_url, tmp_path, InteractionWeights(), algorithm=algorithm, parameters=parameters
    )

    with pytest.raises(ConfigurationError, match=f"^ALGORITHM or ALGORITHM_PARAMETERS is wrong: {reason}"):
        await training.train()


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


async def fill(database_url: str, count: int) -> None:
    """So many views of a hundred users and fifty posts, each pair several times."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        """
        insert into user_interaction (user_id, post_id, interaction_type, created_at)
        select md5((number * 7919 % 100)::text)::uuid, md5((number * 104729 % 50)::text)::uuid,
            (array['view', 'click', 'like', 'share'])[number % 4 + 1], timestamp '2026-01-01' + number * interval '1m'
        from generate_series(1, $1) as number
        """,
        count,
    )
    await connection.close()


@pytest.mark.parametrize("half_life_hours", [0.0, 5.0])
async def test_slices_give_the_same_bytes(
    migrated_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half_life_hours: float
) -> None:
    await fill(migrated_database_url, 5000)
    whole = await training(migrated_database_url, tmp_path / "whole", half_life_hours).train()
    monkeypatch.setattr(TrainingMemory, "holds_all", lambda self, count: False)
    monkeypatch.setattr(TrainingMemory, "slice_rows", 700)
    monkeypatch.setattr(TrainingMemory, "batch_bytes", 10_000)

    sliced = await training(migrated_database_url, tmp_path / "sliced", half_life_hours, memory_limit_mb=500).train()

    assert sliced.path.read_bytes() == whole.path.read_bytes()
    as_read = {name: getattr(whole, name) for name in ("path", "seconds", "data_snapshot", "data_open_since")}
    assert replace(sliced, **as_read) == whole


async def test_less_memory_than_the_model_needs_is_refused_and_what_is_named_instead_suffices(
    migrated_database_url: str, tmp_path: Path
) -> None:
    await fill(migrated_database_url, 5000)

    with pytest.raises(ConfigurationError, match=r"^MEMORY_LIMIT_MB=1 is too little [^\n]*$") as refused:
        await training(migrated_database_url, tmp_path, memory_limit_mb=1).train()

    enough = re.search(r"(\d+) is (needed|enough)", str(refused.value))
    assert enough
    assert (await training(migrated_database_url, tmp_path, memory_limit_mb=int(enough[1])).train()).user_count == 100


async def test_of_too_many_ids_for_the_limit_slices_are_read_after_all(
    migrated_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(
        """
        insert into user_interaction (user_id, post_id, interaction_type, created_at)
        select md5(number::text)::uuid, md5((-number)::text)::uuid, 'like', timestamp '2026-01-01'
        from generate_series(1, 20000) as number
        """
    )
    await connection.close()
    summed: list[int] = []
    complete = SlicedInteractions.complete
    monkeypatch.setattr(SlicedInteractions, "complete", lambda self: (summed.append(self.count), complete(self)))

    trained = await training(migrated_database_url, tmp_path, memory_limit_mb=28).train()

    assert trained.user_count == 20_000
    assert summed == [20_000]


async def test_the_order_of_rows_and_their_ids_do_not_matter(migrated_database_url: str, tmp_path: Path) -> None:
    await fill(migrated_database_url, 3000)
    one = await training(migrated_database_url, tmp_path, half_life_hours=5.0).train()
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(
        """
        create table shuffled as select gen_random_uuid() as id, user_id, post_id, interaction_type, created_at
            from user_interaction order by md5(id::text);
        truncate user_interaction;
        insert into user_interaction (id, user_id, post_id, interaction_type, created_at) select * from shuffled
        """
    )
    await connection.close()

    other = await training(migrated_database_url, tmp_path, half_life_hours=5.0).train()

    assert other.path == one.path


async def test_interactions_that_weigh_nothing_give_a_model_without_pairs(
    migrated_database_url: str, tmp_path: Path
) -> None:
    await fill(migrated_database_url, 500)

    trained = await training(migrated_database_url, tmp_path, weight=0.0).train()

    assert trained.metrics["pairs"] == 0
    assert (
        RankingModel.from_arrays(read_model(trained.path, trained.path.stem)).rank(History(ANNA, (), 1, FAR), 5) == ()
    )


async def test_users_who_are_all_equal_are_neighbours_of_each_other(migrated_database_url: str, tmp_path: Path) -> None:
    users = [UUID(int=number) for number in range(1, 30)]
    await add(migrated_database_url, rows(*((user, post, "like") for user in users for post in POSTS)))

    trained = await training(migrated_database_url, tmp_path).train()

    model = RankingModel.from_arrays(read_model(trained.path, trained.path.stem))
    history = History(CLEO, (Interaction(CLEO, POSTS[0], InteractionType.LIKE, FAR),), 1, FAR)
    assert {post_id for post_id, _ in model.rank(history, 10)} == set(POSTS[1:])


async def test_a_folder_that_cannot_be_written_is_named(migrated_database_url: str, tmp_path: Path) -> None:
    await fill(migrated_database_url, 100)
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="MODEL_PATH"):
        await training(migrated_database_url, tmp_path / "file" / "models").train()


async def test_phases_are_told_in_their_order(migrated_database_url: str, tmp_path: Path) -> None:
    await fill(migrated_database_url, 100)
    told: list[str] = []

    await AdbcModelTraining(migrated_database_url, tmp_path, InteractionWeights(), on_phase=told.append).train()

    assert told == ["read", "fit", "write", "verify"]


async def test_an_algorithm_that_takes_more_than_the_limit_is_refused_before_it_learns(
    migrated_database_url: str, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(
        "insert into user_interaction select gen_random_uuid(), md5((n % 50)::text)::uuid, gen_random_uuid(), 'like', "
        "'{}', now() from generate_series(1, 2000) as n"
    )
    await connection.close()

    def learning(limit_mb: int) -> AdbcModelTraining:
        return AdbcModelTraining(
            migrated_database_url, tmp_path, InteractionWeights(), algorithm="ease", memory_limit_mb=limit_mb
        )

    with pytest.raises(ConfigurationError, match=r"MEMORY_LIMIT_MB=60 is too little for this .* 104 and what"):
        await learning(60).train()
    assert (await learning(120).train()).post_count == 2000
