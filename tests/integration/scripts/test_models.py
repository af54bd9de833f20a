"""`threads-ml train` and `threads-ml models`, over a real database."""

import asyncio
import getpass
import json
import os
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from core.infrastructure.postgres_feed_archive import PostgresFeedArchive
from core.infrastructure.postgres_pool import open_pool
from scripts.models import app as models_app
from scripts.train import app as train_app
from tests.builders import feed_of
from tests.integration.scripts.test_replay_evaluation import fill

V1, V2, V3 = (f"collaborative_filtering_v{number}" for number in (1, 2, 3))
SPOILED = {"ALGORITHM_PARAMETERS": "k=1 vote_half_life=2000 post_half_life=0"}


@pytest.fixture(autouse=True)
def _somewhere(migrated_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    monkeypatch.setenv("GATE_LEAST_JUDGED", "30")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _filled(migrated_database_url: str) -> None:
    asyncio.run(fill(migrated_database_url))


def train(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(train_app, arguments, env=environment)


def models(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(models_app, arguments, env=environment)


async def store_feeds(url: str) -> None:
    """Three feeds of the second model."""
    async with open_pool(url) as pool:
        for number in range(3):
            feed = feed_of(user=f"user-{number}", epoch=2, generation=number + 1)
            await PostgresFeedArchive(pool).put(replace(feed, model_version=V2))


def registry(url: str) -> list[tuple[object, ...]]:
    async def read() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url)
        rows = await connection.fetch(
            "select number, status, withdrawn_at is not null, pruned_at is not null from model order by number"
        )
        await connection.close()
        return [tuple(row) for row in rows]

    return asyncio.run(read())


@pytest.mark.usefixtures("_filled")
def test_a_spoiled_model_stays_a_candidate_and_a_good_one_serves(migrated_database_url: str) -> None:
    first, spoiled, good = train(), train(**SPOILED), train()

    assert (first.exit_code, spoiled.exit_code, good.exit_code) == (0, 3, 0)
    assert f"{V1} serves now" in first.stdout
    assert "it stays a candidate: nDCG@10 -" in spoiled.stdout
    assert "FAILED   quality" in spoiled.stdout
    assert f"{V3} serves now" in good.stdout
    assert [(number, status) for number, status, *_ in registry(migrated_database_url)] == [
        (1, "retired"),
        (2, "candidate"),
        (3, "champion"),
    ]


@pytest.mark.usefixtures("_filled")
def test_past_the_gate_anything_serves_and_the_row_tells() -> None:
    train()

    bypassed = train("--no-gate", **SPOILED)

    assert bypassed.exit_code == 0
    assert json.loads(models("show", "v2", "--json").stdout)["verdict"]["outcome"] == "bypassed"


@pytest.mark.usefixtures("_filled")
def test_the_same_data_and_parameters_give_the_same_bytes() -> None:
    train()
    train()

    one, other = json.loads(models("list", "--json").stdout)

    assert one["sha256"] == other["sha256"]
    assert one["data_digest"] == other["data_digest"]
    assert one["parameters"] == other["parameters"]


@pytest.mark.usefixtures("_filled")
def test_a_model_is_shown_with_its_data_its_measures_and_what_became_of_it() -> None:
    train()

    shown, listed = models("show", "v1"), models("list")

    for fact in ("data digest", "code revision", "sha256", "ndcg_at_10", "recall_at_10", "quality", "vote_half_life"):
        assert fact in shown.stdout
    assert f"{V1}  champion" in listed.stdout
    document = json.loads(models("show", V1, "--json").stdout)
    assert (document["version"], document["serves"], document["status"]) == (V1, True, "champion")
    assert document["trial"]["metrics"]["ndcg_at_10"]["mean"] > 0
    assert document["interaction_count"] == 1440


@pytest.mark.usefixtures("_filled")
def test_two_models_are_compared_on_the_same_windows() -> None:
    train()
    train(**SPOILED)

    compared = models("compare", "v1", "v2")
    document = json.loads(models("compare", "v1", "v2", "--json").stdout)
    stored = json.loads(models("compare", "v1", "v2", "--stored", "--json").stdout)

    assert f"{V1} over {V2}: nDCG@10 +" in compared.stdout
    assert document["comparison"]["gain"]["mean"] > 0.05
    assert set(document["models"]) == {V1, V2}
    assert stored["comparison"] is None


@pytest.mark.usefixtures("_filled")
def test_a_rollback_withdraws_the_champion_and_says_what_becomes_of_its_feeds(
    migrated_database_url: str, redis_url: str, broker_url: str
) -> None:
    train()
    train("--no-gate")

    asyncio.run(store_feeds(migrated_database_url))

    back = models("rollback", REDIS_URL=redis_url, BROKER_URL=broker_url)

    assert back.exit_code == 0, back.output
    assert f"{V2} is withdrawn; {V1} serves now (epoch 3)" in back.stdout
    assert "3 are enqueued to be made anew, active users first" in back.stdout
    assert registry(migrated_database_url) == [(1, "champion", False, False), (2, "retired", True, False)]
    assert "retired, withdrawn" in models("list").stdout


@pytest.mark.usefixtures("_filled")
def test_without_a_queue_a_rollback_is_done_all_the_same(migrated_database_url: str) -> None:
    train()
    train("--no-gate")
    asyncio.run(store_feeds(migrated_database_url))

    back = models("rollback")

    assert back.exit_code == 0
    assert "made anew as they are asked for" in back.stdout
    assert registry(migrated_database_url)[1] == (2, "retired", True, False)


@pytest.mark.usefixtures("_filled")
def test_a_candidate_is_promoted_by_hand_and_old_bytes_are_pruned(migrated_database_url: str, tmp_path: Path) -> None:
    train()
    train(**SPOILED)
    promoted = models("promote", "v2")
    train("--no-gate", ALGORITHM="popular")

    pruned = models("prune", "--keep", "1")

    assert promoted.stdout == f"{V2} serves now (epoch 2)\n"
    assert pruned.stdout.startswith(f"pruned {V1} (")
    assert registry(migrated_database_url) == [
        (1, "retired", False, True),
        (2, "retired", False, False),
        (3, "champion", False, False),
    ]
    assert len(list((tmp_path / "models").glob("*.joblib"))) == 2
    refused = models("promote", "v1")
    assert (refused.exit_code, refused.stderr) == (
        1,
        f"threads-ml: the bytes of {V1} were pruned: train anew\n",
    )


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "v9"], f"there is no model {V3[:-1]}9"),
        (["show", "nine"], "'nine' is not a model version: write v1, v2"),
        (["show", "v99999999999"], "'v99999999999' is not a model version: write v1, v2"),
        (["compare", "v1", "v9"], f"there is no model {V3[:-1]}9"),
        (["promote", "v9"], f"there is no model {V3[:-1]}9"),
        (["rollback"], "there is no earlier model to go back to"),
        (["prune"], "say which: either --keep N, or versions"),
        (["prune", "--keep", "1", "v1"], "say which: either --keep N, or versions"),
        (["prune", "v1"], f"{V1} is the champion: promote another model first"),
        (["prune", "v9"], f"there is no model {V3[:-1]}9"),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(
    migrated_database_url: str, arguments: list[str], said: str
) -> None:
    train()

    result = models(*arguments)

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert registry(migrated_database_url) == [(1, "champion", False, False)]


@pytest.mark.usefixtures("_filled")
def test_under_a_pin_promotion_and_rollback_name_it() -> None:
    train()
    train("--no-gate")

    for command in (["promote", "v1"], ["rollback"]):
        refused = models(*command, MODEL_PIN="v1")
        assert (refused.exit_code, "MODEL_PIN names" in refused.stderr) == (1, True)
    assert "retired, pinned" in models("list", MODEL_PIN="v1").stdout


@pytest.mark.usefixtures("_filled")
def test_a_model_whose_bytes_are_gone_is_not_promoted(migrated_database_url: str, tmp_path: Path) -> None:
    train()
    train(**SPOILED)
    asyncio.run(_execute(migrated_database_url, "delete from model_artefact"))
    for file in (tmp_path / "models").glob("*.joblib"):
        file.unlink()

    refused = models("promote", "v2")

    assert refused.exit_code == 1
    assert "bytes of the model are missing or damaged" in refused.stderr
    assert registry(migrated_database_url)[0][1] == "champion"


@pytest.mark.usefixtures("_filled")
def test_a_rollback_to_a_model_whose_bytes_are_gone_changes_nothing(migrated_database_url: str, tmp_path: Path) -> None:
    train()
    train("--no-gate", **SPOILED)
    asyncio.run(_execute(migrated_database_url, "delete from model_artefact"))
    for file in (tmp_path / "models").glob("*.joblib"):
        file.unlink()

    refused = models("rollback")

    assert refused.exit_code == 1
    assert f"{V1} cannot serve: the stored bytes of the model are missing or damaged in Postgres" in refused.stderr
    assert registry(migrated_database_url) == [(1, "retired", False, False), (2, "champion", False, False)]


@pytest.mark.usefixtures("_filled")
def test_pruning_removes_what_a_killed_training_has_left(migrated_database_url: str) -> None:
    train()
    asyncio.run(
        _execute(migrated_database_url, "insert into model_artefact values ('stray', 0, repeat('x', 400000)::bytea)")
    )

    pruned = models("prune", "--keep", "1")

    assert pruned.stdout == ("pruned nothing (0.0 MB)\nremoved 0.4 MB that trainings had stored and never registered\n")


@pytest.mark.usefixtures("_filled")
def test_under_a_pin_pruning_keeps_what_is_pinned(migrated_database_url: str) -> None:
    train()
    train("--no-gate", **SPOILED)
    train("--no-gate", ALGORITHM="popular")

    pruned = models("prune", "--keep", "0", MODEL_PIN="v1")

    assert (pruned.exit_code, pruned.stdout) == (0, "pruned nothing (0.0 MB)\n")
    assert not any(is_pruned for *_, is_pruned in registry(migrated_database_url))


@pytest.mark.usefixtures("_filled")
def test_who_has_no_name_is_noted_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)

    train()

    assert json.loads(models("show", "v1", "--json").stdout)["promoted_by"] == f"uid {os.getuid()}"


def test_before_the_first_model_the_list_says_what_to_do() -> None:
    assert "threads-ml train" in models("list").stdout
    assert models("rollback").stderr == "threads-ml: no model serves: there is nothing to take back\n"


@pytest.mark.parametrize(
    "statements",
    [
        [],
        ["insert into user_interaction values (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'like')"],
        [
            "insert into user_interaction select gen_random_uuid(), md5('one')::uuid, gen_random_uuid(), 'like' "
            "from generate_series(1, 5)"
        ],
    ],
)
def test_too_little_to_learn_from_is_one_line_and_registers_nothing(
    migrated_database_url: str, statements: list[str]
) -> None:
    for statement in statements:
        asyncio.run(_execute(migrated_database_url, statement))

    result = train()

    assert result.exit_code == 1
    assert "too little to learn from" in result.stderr
    assert registry(migrated_database_url) == []


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
