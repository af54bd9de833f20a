"""The benchmark of growth measures what it says, small."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from typer.testing import CliRunner

from core.recommender.clustered_interactions import clustered_interactions
from scripts.bench.growth import app, measure_size, overlap, relative_loss, split


def test_a_bound_that_nobody_reaches_loses_nothing() -> None:
    figures = measure_size(users=300, additions=1_000_000, sample=50, seed=0, threads=1)

    assert (figures.loss, figures.loss_error, figures.overlap) == (0, 0, 1)
    assert 0 < figures.exact.ndcg <= 1
    assert min(figures.exact.microseconds_per_user, figures.bounded.microseconds_per_user) > 0


def test_a_tight_bound_shows() -> None:
    figures = measure_size(users=300, additions=20, sample=50, seed=0, threads=2)

    assert figures.loss == pytest.approx(1 - figures.bounded.ndcg / figures.exact.ndcg)
    assert figures.loss_error > 0
    assert figures.overlap < 0.9
    assert figures.timed_users == figures.judged_users == 50
    assert figures.peak_bytes > 50_000_000


def test_a_fifth_of_the_judged_users_posts_is_held_out_and_nothing_else() -> None:
    matrix = clustered_interactions(users=100, posts=60, interactions=3_000, seed=1)
    judged = np.array([3, 17, 99])

    training, held_out = split(np.random.default_rng(0), matrix, judged)

    whole, left, taken = matrix.toarray(), training.toarray(), held_out.toarray() > 0
    assert (held_out.sum(axis=1) == np.maximum(1, np.diff(matrix.indptr)[judged] // 5)).all()
    assert (left[judged] == np.where(taken, 0, whole[judged])).all()
    assert (whole[judged][taken] > 0).all()
    others = np.delete(np.arange(100), judged)
    assert (left[others] == whole[others]).all()


def test_the_error_of_the_loss_is_that_of_paired_differences() -> None:
    exact = np.array([0.5, 0.3, 0.1, 0.9])

    assert relative_loss(exact, exact / 2) == (0.5, 0)
    differences = np.array([0.1, -0.1, 0.1, -0.1])
    loss, error = relative_loss(exact, exact + differences)
    assert loss == pytest.approx(0)
    assert error == pytest.approx(differences.std(ddof=1) / 0.45 / 2)


def test_the_error_of_the_loss_is_what_other_samples_would_show() -> None:
    random = np.random.default_rng(0)
    exact = random.random((2_000, 400))
    bounded = exact * random.uniform(0.5, 1.4, exact.shape)

    losses, errors = np.array([relative_loss(*sample) for sample in zip(exact, bounded, strict=True)]).T

    assert errors.mean() == pytest.approx(losses.std(), rel=0.05)


def test_overlap_is_the_share_of_the_first_lists_posts_wherever_they_are() -> None:
    first, second = np.array([[1, 2, 3], [4, -1, -1]]), np.array([[3, 9, 1], [-1, -1, -1]])

    assert overlap(first.astype(np.int32), second.astype(np.int32)) == 2 / 4


def test_every_size_is_measured_and_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "growth.svg"

    result = CliRunner().invoke(app, f"--sizes 200,400 --additions 100 --sample 20 --json --plot {picture}".split())

    document = json.loads(result.stdout)
    assert [size["users"] for size in document["sizes"]] == [200, 400]
    first, second = (size["bounded"]["microseconds_per_user"] for size in document["sizes"])
    assert document["bounded_growth"] == [1, second / first]
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("sizes", "reason"), [("1000;2000", "not numbers"), ("50,1000", "each from 100 to 10,000,000")]
)
def test_sizes_that_cannot_be_are_refused(sizes: str, reason: str) -> None:
    result = CliRunner().invoke(app, ["--sizes", sizes], env={"COLUMNS": "200"})

    assert result.exit_code == 2
    assert reason in result.stderr


def test_without_judged_users_nothing_is_held_out() -> None:
    matrix = csr_array(np.eye(4, dtype=np.float32))

    training, held_out = split(np.random.default_rng(0), matrix, np.empty(0, dtype=np.int64))

    assert (training.toarray() == matrix.toarray()).all()
    assert held_out.shape == (0, 4)
