"""`threads-ml evaluate` without files, over a real database."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from core.recommender.simulated_feed import FeedSize
from scripts import replay_evaluation
from scripts.evaluate import app

START = datetime(2026, 5, 1)


async def fill(database_url: str) -> None:
    """Forty users, each busy with the posts of one of two circles; posts live for two days."""
    random = Random(1)
    rows = [
        (
            UUID(int=user + 1),
            UUID(int=1000 + 20 * (day - random.randrange(2)) + 10 * (user % 2) + random.randrange(10)),
            "like",
            moment,
        )
        for day in range(12)
        for user in range(40)
        for moment in (START + timedelta(days=day, minutes=random.randrange(1440)) for _ in range(3))
    ]
    connection = await asyncpg.connect(database_url)
    await connection.executemany(
        "insert into user_interaction (user_id, post_id, interaction_type, created_at) values ($1, $2, $3, $4)", rows
    )
    await connection.close()


@pytest.fixture
def evaluate(migrated_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_lists_of_every_age_are_judged_beside_the_popular_ones(evaluate: Path, migrated_database_url: str) -> None:
    asyncio.run(fill(migrated_database_url))

    result = run(
        "--from=2026-05-09", "--to=2026-05-12", "--ages=0,6", "--at=5,10", "--json", f"--plot={evaluate / 'plot.svg'}"
    )

    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["windows"], document["window_hours"], document["baseline"]) == (3, 24, "popular")
    assert document["from"].startswith("2026-05-09T00:00")
    assert document["to"].startswith("2026-05-12T00:00")
    assert 0 < document["unreachable_share"]["0"] <= document["unreachable_share"]["6"] < 1
    rows = document["rows"]
    assert {(row["k"], row["algorithm"], row["age_hours"], row["users"]) for row in rows} == {
        (k, algorithm, age, users)
        for k in (5, 10)
        for algorithm in ("user_knn", "popular")
        for age in (0, 6)
        for users in ("everyone", "warm")
    }
    ours, theirs = (
        next(row for row in rows if row["algorithm"] == name and row["posts"] == "known")
        for name in ("user_knn", "popular")
    )
    # Circles are what neighbours know and popularity does not.
    assert ours["ndcg"]["low"] > theirs["ndcg"]["mean"]
    assert ours["gain"]["low"] > 0
    assert (evaluate / "plot.svg").read_text().startswith("<?xml")


def test_a_table_says_what_was_judged_and_how(evaluate: Path, migrated_database_url: str) -> None:
    asyncio.run(fill(migrated_database_url))

    result = run("--algorithm=popular", "--param=half_life=6", "--weekly", "--from=2026-05-05", "--ages=0", "--at=10")

    assert result.exit_code == 0, result.output
    assert "1 windows of 168 h" in result.stdout
    assert "known posts, everyone" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--from=2027-01-01", "--to=2027-02-01"], "--to 2027-02-01 is outside the interactions: they are from"),
        (["--from=2020-01-01"], "--from 2020-01-01 is outside the interactions: they are from"),
        (["--from=2026-05-09", "--to=2026-05-08"], "there is no window of 24 hours"),
        (["--ages=5000"], "nothing is left to learn from"),
        (["--ages=inf"], "--ages 'inf' is wrong"),
        (["--from=yesterday"], "--from 'yesterday' is wrong: a date like 2026-05-31"),
        (["--ages=0,old"], "--ages '0,old' is wrong"),
        (["--ages=-1"], "--ages '-1' is wrong"),
        (["--at=0"], "--at '0' is wrong"),
        (["--param=kk=3"], "there is no parameter 'kk'"),
        (["--algorithm=als"], "there is no algorithm 'als'"),
        (["--train=train.csv"], "--train and --test go together"),
        (["--tune=3"], "--train and --test go together"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    evaluate: Path, migrated_database_url: str, arguments: list[str], reason: str
) -> None:
    asyncio.run(fill(migrated_database_url))

    result = run(*arguments)

    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.strip().count("\n") == 0


def test_a_simulated_feed_is_replayed_beside_its_best_possible_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replay_evaluation, "FeedSize", lambda: FeedSize(users=60, days=20, posts_per_day=20))

    result = run("--simulated", "--from=2026-01-15", "--to=2026-01-17", "--ages=0", "--at=10", "--json")

    assert result.exit_code == 0, result.output
    known = {
        row["algorithm"]: row["ndcg"]["mean"]
        for row in json.loads(result.stdout)["rows"]
        if row["posts"] == "known" and row["users"] == "everyone"
    }
    assert known["best possible"] > max(known["user_knn"], known["popular"])


def test_an_empty_table_is_told(evaluate: Path) -> None:
    result = run()

    assert result.exit_code == 1
    assert "there are no interactions to replay" in result.stderr
