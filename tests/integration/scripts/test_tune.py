"""`threads-ml tune`, over a real database."""

import asyncio
import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.application.ports.run_tracker import RunKind
from scripts import tune
from scripts.tune import app
from tests.fakes.run_tracker import FakeRunTracker
from tests.integration.scripts.test_replay_evaluation import fill


@pytest.fixture
def folder(migrated_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", migrated_database_url)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_parameters_are_found_reported_and_gone_on_with(folder: Path, migrated_database_url: str) -> None:
    asyncio.run(fill(migrated_database_url))
    options = ("--windows=3", "--param=neighbourhood=forward", f"--out={folder / 'found'}")

    first = run("--trials=3", *options, "--json")
    more = run("--trials=5", *options, "--json")

    one, other = (json.loads(result.stdout) for result in (first, more))
    assert (one["trials"], other["trials"]) == (3, 5)
    assert other["first"] == one["first"]
    assert other["ndcg"] >= one["ndcg"] >= one["first"]["ndcg"] > 0
    assert other["parameters"]["neighbourhood"] == "forward"
    assert "ALGORITHM_PARAMETERS=" in Path(other["report"]).read_text()


def test_what_was_found_is_said_as_settings_take_it(folder: Path, migrated_database_url: str) -> None:
    asyncio.run(fill(migrated_database_url))

    result = run("--trials=1", "--windows=2", "--algorithm=popular", "--until=2026-05-10")

    assert result.exit_code == 0, result.output
    assert "ALGORITHM=popular\nALGORITHM_PARAMETERS=half_life=12 post_half_life=0\n" in result.stdout
    assert (folder / ".threads-ml" / "tuning" / "popular" / "report.md").is_file()


def test_a_search_is_tracked_with_what_it_found_and_where_it_began(
    folder: Path, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(fill(migrated_database_url))
    tracker = FakeRunTracker()
    monkeypatch.setattr(tune, "open_tracker", lambda settings: nullcontext(tracker))

    result = run("--trials=3", "--windows=2", "--param=neighbourhood=forward", "--json")

    found = json.loads(result.stdout)
    (kept,) = tracker.runs
    assert (kept.kind, kept.name) == (RunKind.TUNING, "tuning of user_knn")
    assert kept.parameters == {"algorithm": "user_knn", **found["parameters"]}
    assert kept.metrics["ndcg_at_10"] == found["ndcg"]
    assert kept.metrics["ndcg_at_10_first"] == found["first"]["ndcg"]
    assert len(kept.series["ndcg_at_10_by_trial"]) == 3
    assert [path.name for path in kept.files if path.is_file()] == ["report.md", "trials.svg"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--until=2010-01-01"], "there are no interactions up to 2010-01-01: they are from 2026-05-01"),
        (["--algorithm=als"], "there is no algorithm 'als'"),
        (["--param=k"], "'k' is wrong: name=value is expected"),
        (["--param=k=0"], "k=0 is wrong: a whole number from 1"),
        (["--windows=500", "--trials=2"], "--windows 500 of 24 hours do not fit into the interactions"),
        (["--algorithm=popular", "--param=half_life=1", "--param=post_half_life=1"], "nothing is left to look for"),
        (["--out=file/folder", "--windows=2"], "cannot be written"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    folder: Path, migrated_database_url: str, arguments: list[str], reason: str
) -> None:
    asyncio.run(fill(migrated_database_url))
    (folder / "file").touch()

    result = run(*arguments)

    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.strip().count("\n") == 0
