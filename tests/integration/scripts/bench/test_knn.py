"""The benchmark of neighbours measures what it says, small."""

import json
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array
from typer.testing import CliRunner

from scripts.bench import knn
from scripts.bench.knn import Plan, app, difference, measure, plain_neighbours
from scripts.bench.knn_contestants import CONTESTANTS, OURS, Contestant, Task, load_found, run, save_matrix

INSTALLED = [name for name, contestant in CONTESTANTS.items() if find_spec(contestant.package)]


def weights_with_empty_rows() -> csr_array:
    weights = csr_array(random_array((80, 60), density=0.1, rng=np.random.default_rng(0), dtype=np.float32))
    weights.data[:] += 0.1
    return weights[[*range(40), *range(40)]] @ csr_array(np.diag(np.arange(60) % 7 > 0).astype(np.float32))


@pytest.fixture(scope="module", params=INSTALLED)
def contestant(request: pytest.FixtureRequest) -> Iterator[tuple[str, Executor]]:
    """Its name, and a process for it: other libraries' threads and machine code are not let into the tests'."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield request.param, process


@pytest.mark.parametrize("k", [1, 7, 1_000])
def test_each_finds_the_neighbours_of_the_plain_product(
    contestant: tuple[str, Executor], k: int, tmp_path: Path
) -> None:
    name, process = contestant
    weights = weights_with_empty_rows()
    save_matrix(weights, tmp_path)

    measured = process.submit(run, name, Task(tmp_path, k, threads=2, sample=30, seed=0), keep=True).result()

    answer = load_found(name, tmp_path)
    plain = plain_neighbours(weights, np.arange(80), k)
    assert len(answer.users) == (30 if name == "sklearn" else 80)
    assert answer.rows.shape == (len(answer.users), min(k, 80))
    assert difference(plain, answer, 80).exact
    assert min(measured.seconds, measured.cpu_seconds) > 0
    assert measured.whole_peak_bytes >= measured.peak_bytes >= 0


def test_all_are_measured_in_one_run() -> None:
    options = {"users": 120, "posts": 80, "interactions": 2_000, "k": 5, "repeats": 2, "threads": 1}

    result = CliRunner().invoke(app, [*(f"--{name}={value}" for name, value in options.items()), "--json"])

    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert list(document["seconds"]) == list(document["peak_mb"]) == INSTALLED
    assert document["exact"]
    assert document["max_difference"] <= 1e-5
    assert document["users_per_second"][OURS] == 120 / document["seconds"][OURS]
    assert document["ratios"] == {
        name: document["seconds"][name] / document["seconds"][OURS] for name in INSTALLED if name != OURS
    }
    assert [len(seconds) for seconds in document["all_seconds"].values()] == [2] * len(INSTALLED)
    assert set(document["left_out"]) == set(CONTESTANTS) - set(INSTALLED)
    assert document["compile_seconds"] > 0


def test_who_is_not_installed_or_fails_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = CONTESTANTS[OURS]
    absent = Contestant("no_such_package", ours.prepared, ours.find, ours.read)
    monkeypatch.setattr(knn, "CONTESTANTS", {OURS: ours, "absent": absent, "unknown to processes": ours})

    rates = measure(Plan(50, 40, 500, k=3, seed=1, threads=1, repeats=1, sklearn_sample=0))

    assert rates.exact
    assert rates.ratios == {}
    assert rates.left_out["absent"] == "not installed"
    assert "KeyError" in rates.left_out["unknown to processes"]
    assert rates.left_out["sklearn"] == "no sample asked for"


def test_a_table_names_ratios_targets_and_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Contestant("no_such_package", *[lambda *_: None] * 3)
    present = {name: CONTESTANTS[name] for name in (OURS, "sklearn")}
    monkeypatch.setattr(knn, "CONTESTANTS", present | {"absent": absent})

    result = CliRunner().invoke(app, ["--users=60", "--posts=40", "--interactions=600", "--repeats=1"])

    assert result.exit_code == 0, result.output
    assert "our neighbours are exact" in result.stdout
    assert "2.5 times" in result.stdout
    assert "left out: absent (not installed)" in result.stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [("--users", "1"), ("--posts", "1"), ("--interactions", "0"), ("--k", "0"), ("--threads", "0"), ("--repeats", "x")],
)
def test_options_out_of_bounds_are_named(option: str, value: str) -> None:
    result = CliRunner().invoke(app, [option, value])

    assert result.exit_code == 2
    assert option in result.output
