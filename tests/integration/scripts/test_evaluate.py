"""`threads-ml evaluate` from files, as a person uses it."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scripts.evaluate import app

TRAINING = ["ann,1", "ann,2", "bob,1", "bob,2", "bob,3", "cat,1", "cat,2", "cat,4", "dan,9"]
"""Bob and Cat are Ann's neighbours, alike to the bit; Dan is nobody's."""

TEST = ["ann,4", "ann,8", "bob,4", "dan,1", "new,1"]


@pytest.fixture(autouse=True)
def no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever touches one finds nobody there."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")


def written(path: Path, rows: list[str], header: str = "user_id,post_id") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def run(training: Path, test: Path, *options: str) -> Result:
    files = ["--train", str(training), "--test", str(test), "--data-dir", str(training.parent / "data")]
    return CliRunner().invoke(app, [*files, *options])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return written(tmp_path / "train.csv", TRAINING), written(tmp_path / "test.csv", TEST)


def document(*arguments: Any) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def means(found: dict[str, Any], algorithm: str) -> dict[str, float]:
    return {name: estimate["mean"] for name, estimate in found["algorithms"][algorithm]["metrics"].items()}


def refusal(*arguments: Any) -> str:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    return str(line).removeprefix("threads-ml: ")


def test_the_metrics_are_those_worked_by_hand(files: tuple[Path, Path]) -> None:
    found = document(*files, "--at", "1,2")

    # Ann gets 3 and 4, which tie, 3 first: the training has it first. Bob gets 4. Dan and the unknown user get nothing.
    knn = means(found, "user_knn")
    assert knn["recall@1"] == pytest.approx((0 + 1 + 0 + 0) / 4)
    assert knn["recall@2"] == pytest.approx((1 / 2 + 1 + 0 + 0) / 4)
    assert knn["precision@2"] == pytest.approx((1 / 2 + 1 / 2 + 0 + 0) / 4)
    ann = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert knn["ndcg@2"] == pytest.approx((ann + 1 + 0 + 0) / 4)
    assert knn["hit_rate@2"] == pytest.approx(2 / 4)
    assert knn["mrr@2"] == pytest.approx((1 / 2 + 1 + 0 + 0) / 4)
    assert knn["novelty@1"] == pytest.approx(2)
    assert found["algorithms"]["user_knn"]["catalogue_coverage"] == {"@1": 2 / 5, "@2": 2 / 5}
    assert found["algorithms"]["user_knn"]["test_users_without_list"] == 2
    assert found["algorithms"]["popular"]["test_users_without_list"] == 0


def test_the_document_says_who_was_judged_by_what(files: tuple[Path, Path]) -> None:
    found = document(*files, "--at", "2")

    assert {name: found[name] for name in ("users", "posts", "timed", "test_users", "test_users_unknown")} == {
        "users": 4, "posts": 5, "timed": False, "test_users": 4, "test_users_unknown": 1,
    }  # fmt: skip
    assert (found["test_pairs"], found["test_pairs_with_unknown_posts"], found["test_pairs_in_training"]) == (5, 1, 0)
    assert found["baseline"] == "popular"
    assert found["algorithms"]["popular"]["over_baseline"] is None
    over = found["algorithms"]["user_knn"]["over_baseline"]["recall@2"]["absolute"]
    assert over["mean"] == pytest.approx(means(found, "user_knn")["recall@2"] - means(found, "popular")["recall@2"])
    assert over["low"] <= over["mean"] <= over["high"]


@pytest.mark.parametrize("post", ["0", "z"])
def test_ties_do_not_favour_the_hit_however_it_is_named(tmp_path: Path, post: str) -> None:
    rows = ["ann,1", "bob,1", "bob,x", "cat,1", f"cat,{post}"]

    found = document(written(tmp_path / "a.csv", rows), written(tmp_path / "b.csv", [f"ann,{post}", "bob,y"]), "--at=1")

    assert means(found, "user_knn")["hit_rate@1"] == 0


def test_the_lists_are_full_rankings_without_the_users_own_posts(files: tuple[Path, Path]) -> None:
    path = files[0].parent / "lists.csv"

    document(*files, "--at", "1,3", "--lists", str(path))

    with path.open() as file:
        rows = list(csv.reader(file))
    assert [row[:3] for row in rows] == [
        ["user_id", "post_id", "rank"],
        ["ann", "3", "1"],
        ["ann", "4", "2"],
        ["bob", "4", "1"],
    ]
    assert rows[1][3] == rows[2][3]
    assert float(rows[1][3]) > 0


def test_without_times_half_lives_change_nothing_and_with_times_they_do(tmp_path: Path) -> None:
    rows = ["ann,1", "bob,1", "cat,1", "bob,2", "cat,3"]
    timed = [f"{row},{time}" for row, time in zip(rows, (0, 0, 0, 0, 360_000), strict=True)]
    training, test = written(tmp_path / "a.csv", rows), written(tmp_path / "b.csv", ["ann,3", "bob,9"])
    with_times = written(tmp_path / "t.csv", timed, "user_id,post_id,created_at")
    options = ("--algorithm", "popular", "--at", "1", "--param")

    lists = [document(training, test, *options, f"half_life={hours}") for hours in (0, 12)]
    decayed = document(with_times, test, *options, "half_life=12")

    assert [means(found, "popular")["hit_rate@1"] for found in (*lists, decayed)] == [0, 0, 0.5]
    assert decayed["timed"]
    assert decayed["algorithms"]["popular"]["parameters"]["half_life"] == 12


def test_parameters_go_to_the_algorithms_that_have_them(files: tuple[Path, Path]) -> None:
    found = document(
        *files, "--algorithm", "user_knn", "--algorithm", "popular", "--param", "k=1", "--param", "half_life=6"
    )

    assert list(found["algorithms"]) == ["user_knn", "popular"]
    assert found["algorithms"]["user_knn"]["parameters"]["k"] == 1
    assert found["algorithms"]["popular"]["parameters"]["half_life"] == 6


def test_a_table_and_a_plot_are_for_a_person(files: tuple[Path, Path]) -> None:
    plot = files[0].parent / "plot.svg"

    done = run(*files, "--at", "2", "--plot", str(plot))

    assert (done.exit_code, done.stderr) == (0, "")
    for text in ("ndcg@2", "coverage@2", "over popular", "1 of these pairs", "2 without a list"):
        assert text in " ".join(done.stdout.split())
    assert "recall" in plot.read_text()


def test_tuning_never_looks_at_the_test_and_keeps_what_is_given(tmp_path: Path) -> None:
    rows = [f"u{user},{6 * (user % 2) + post}" for user in range(12) for post in range(6) if (user + post) % 7]
    training = written(tmp_path / "train.csv", rows)
    tests = [written(tmp_path / f"{post}.csv", [f"u0,{post}", f"u1,{post}"]) for post in (7, 3)]

    one, other = (document(training, test, "--tune", "3", "--param", "k=5") for test in tests)

    chosen, also = (found["algorithms"]["user_knn"] for found in (one, other))
    assert chosen["parameters"] == also["parameters"]
    assert chosen["parameters"]["k"] == 5
    assert chosen["tuned"]["trials"] == 3
    assert chosen["tuned"]["score"] >= chosen["tuned"]["default_score"]
    assert one["algorithms"]["popular"]["tuned"] is None  # without times it has nothing to tune


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithm", "oracle"], "there is no algorithm 'oracle': there are user_knn"),
        (["--param", "neighbours=5"], "user_knn: there is no parameter 'neighbours': it has k"),
        (["--param", "k=0"], "user_knn: k=0 is wrong: a whole number from 1"),
        (["--param", "k"], "'k' is wrong: name=value is expected"),
        (["--param", "k=1", "--param", "k=2"], "k is given twice"),
        (["--at", "0,10"], "--at '0,10' is wrong: whole numbers from 1 to 1,000 are expected"),
        (["--at", "ten"], "--at 'ten' is wrong"),
        (["--plot", "plot.pdf"], "plot.pdf: a plot is .svg or .png"),
        (["--lists", "/absent/lists.csv"], "/absent/lists.csv: cannot be written: there is no such folder"),
        (["--param", "additions=9", "--param", "neighbourhood=reverse"], "user_knn: additions bound the forward"),
    ],
)
def test_options_that_are_wrong_are_one_line(files: tuple[Path, Path], options: list[str], message: str) -> None:
    assert refusal(*files, *options).startswith(message)


@pytest.mark.parametrize(
    ("training", "test", "message"),
    [
        (["a,1", "b,2"], ["c,1", "d,2"], "the training and the test have no users in common"),
        (["a,1", "a,2"], ["a,3", "b,1"], "the training has one user only"),
        (["a,1", "b,2"], ["a,1", "b,2"], "there is nothing to find: all of the test's pairs are in the training"),
    ],
)
def test_splits_that_judge_nothing_are_one_line(
    tmp_path: Path, training: list[str], test: list[str], message: str
) -> None:
    files = written(tmp_path / "train.csv", training), written(tmp_path / "test.csv", test)

    assert refusal(*files).startswith(message)


def test_files_that_are_wrong_are_one_line_with_their_name(files: tuple[Path, Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    unknown = written(tmp_path / "unknown.csv", ["a,1"], "user_id,item_id")

    assert refusal(files[0], empty) == f"{empty}: the file is empty"
    assert refusal(unknown, files[1]).startswith(f"{unknown}: unknown column 'item_id'")
    assert refusal(files[0], tmp_path / "absent.csv").endswith("cannot be read: No such file or directory")


def test_training_in_which_nobody_has_two_posts_cannot_be_tuned_on(tmp_path: Path) -> None:
    files = written(tmp_path / "a.csv", ["a,1", "b,2"]), written(tmp_path / "b.csv", ["a,2", "b,1"])

    assert refusal(*files, "--tune", "2").startswith("user_knn: no user has two posts")


def test_what_is_to_be_evaluated_is_not_written_over(tmp_path: Path) -> None:
    files = written(tmp_path / "a.csv", ["a,1", "b,2"]), written(tmp_path / "b.csv", ["a,2", "b,1"])
    before = files[0].read_bytes()

    assert "would be written over" in refusal(*files, "--lists", str(files[0]))
    assert files[0].read_bytes() == before


def test_options_of_the_replay_are_no_options_of_files(tmp_path: Path) -> None:
    files = written(tmp_path / "a.csv", ["a,1", "b,2"]), written(tmp_path / "b.csv", ["a,2", "b,1"])

    for options in (["--simulated"], ["--weekly"], ["--from", "2026-01-01"]):
        assert "are no replay" in refusal(*files, *options)
