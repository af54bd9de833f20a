"""`threads-ml evaluate --tail`, over a real database."""

import asyncio
import json
from pathlib import Path

import pytest

from scripts.tail_evaluation import WAYS
from tests.integration.scripts.test_replay_evaluation import evaluate, fill, run

__all__ = ["evaluate"]


def test_lists_with_what_came_since_are_judged_beside_daily_ones_by_how_long_ago_the_model_learned(
    evaluate: Path, migrated_database_url: str
) -> None:
    asyncio.run(fill(migrated_database_url))

    result = run("--tail", "--from=2026-05-08", "--to=2026-05-12", "--json")

    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["windows"], document["window_hours"], document["algorithm"]) == (96, 1, "user_knn")
    assert [row["age_hours"] for row in document["rows"]] == [[0, 1], [1, 6], [6, 12], [12, 24], [0, 24]]
    *parts, whole = document["rows"]
    assert sum(row["judged"] for row in parts) == whole["judged"]
    assert set(whole["ndcg"]) == set(WAYS)
    # Half of a circle's posts are born after midnight.
    assert whole["ndcg"]["live tail"]["low"] > whole["ndcg"]["built daily"]["mean"]
    assert whole["gain"]["low"] > 0
    assert 0 < whole["unborn_share"] < 1


def test_a_table_says_what_was_judged_and_how(evaluate: Path, migrated_database_url: str) -> None:
    asyncio.run(fill(migrated_database_url))

    result = run("--tail", "--from=2026-05-10", "--to=2026-05-11")

    assert result.exit_code == 0, result.output
    assert "24 windows of an hour" in result.stdout
    assert "0–24 h ago" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--algorithm=ease"], "ease takes no tail"),
        (["--param=neighbourhood=reverse"], "the algorithm takes no tail with these parameters"),
        (["--algorithm=user_knn", "--algorithm=ease"], "--tail is a replay of the database by one algorithm"),
        (["--simulated"], "--tail is a replay of the database by one algorithm"),
        (["--from=2027-01-01"], "--from 2027-01-01 is outside the interactions"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    evaluate: Path, migrated_database_url: str, arguments: list[str], reason: str
) -> None:
    asyncio.run(fill(migrated_database_url))

    result = run("--tail", *arguments)

    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.strip().count("\n") == 0
