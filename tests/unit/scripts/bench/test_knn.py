"""What the benchmark of neighbours calls exact, and how it reckons."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from scripts.bench.knn import TOLERANCE, Data, Difference, KnnRates, Plan, difference, plain_neighbours
from scripts.bench.knn_contestants import Found, Run, drawn_users, plainly_normalised

USERS = 10
PLAN = Plan(USERS, 5, 50, k=3, seed=0, threads=1, repeats=2, sklearn_sample=0)
FACTS = Data(30, 200, 9, 4)
ROWS = [[4, 5, 6], [7, 8, -1], [3, -1, -1]]
SIMILARITIES = [[0.9, 0.5, 0.5], [0.4, 0.4, 0.0], [0.1, 0.0, 0.0]]


def found(rows: list[list[int]], similarities: list[list[float]]) -> Found:
    """Neighbours of the first users."""
    return Found(np.arange(len(rows)), np.array(rows, np.int32), np.array(similarities, np.float32))


def changed(query: int, rows: list[int], similarities: list[float]) -> Found:
    """The same neighbours but for one query."""
    with_rows, with_similarities = list(ROWS), list(SIMILARITIES)
    with_rows[query], with_similarities[query] = rows, similarities
    return found(with_rows, with_similarities)


THEIRS = found(ROWS, SIMILARITIES)


@pytest.mark.parametrize(
    "ours",
    [
        pytest.param(THEIRS, id="the same"),
        pytest.param(changed(1, [8, 7, -1], [0.4, 0.4, 0]), id="a tie in another order"),
        pytest.param(changed(0, [4, 5, 9], [0.9, 0.5, 0.5]), id="a tie of which only some are among the k"),
        pytest.param(changed(0, [4, 6, 5], [0.9, 0.5 + TOLERANCE / 2, 0.5]), id="a tie but for rounding"),
    ],
)
def test_ties_and_rounding_are_no_difference(ours: Found) -> None:
    assert difference(ours, THEIRS, USERS).exact


@pytest.mark.parametrize(
    "ours",
    [
        pytest.param(changed(0, [4, 5, 6], [0.9, 0.5, 0.5 - 3 * TOLERANCE]), id="another similarity"),
        pytest.param(changed(0, [8, 5, 6], [0.9, 0.5, 0.5]), id="another user with the same similarity"),
        pytest.param(changed(0, [5, 4, 6], [0.9, 0.5, 0.5]), id="similarities of each other"),
        pytest.param(changed(0, [4, 5, 5], [0.9, 0.5, 0.5]), id="one user twice"),
        pytest.param(changed(0, [4, 5, 0], [0.9, 0.5, 0.5]), id="the user itself"),
        pytest.param(changed(1, [7, -1, -1], [0.4, 0, 0]), id="one too few"),
        pytest.param(changed(2, [3, 4, -1], [0.1, 0.05, 0]), id="one too many"),
        pytest.param(changed(2, [3, -1, -1], [np.nan, 0, 0]), id="no number"),
        pytest.param(found([[-1] * 3] * 3, [[0.0] * 3] * 3), id="nobody at all"),
    ],
)
def test_whatever_else_differs_is_seen(ours: Found) -> None:
    assert not difference(ours, THEIRS, USERS).exact


def test_only_the_users_whom_the_other_was_asked_for_are_compared() -> None:
    sample = Found(np.array([1]), THEIRS.rows[[1]], THEIRS.similarities[[1]])
    ours = changed(0, [9, 8, 7], [0.1, 0.1, 0.1])

    assert difference(ours, sample, USERS) == Difference(1, 0, same_rows=True)


def test_the_plain_product_finds_who_shares_posts_and_not_oneself() -> None:
    weights = csr_array(np.array([[3, 4, 0], [3, 0, 0], [0, 2, 0], [0, 0, 5], [0, 0, 0]], np.float32))

    plain = plain_neighbours(weights, np.array([0, 1, 3, 4]), k=9)

    assert plain.rows.tolist() == [[2, 1, -1, -1, -1], [0, -1, -1, -1, -1], [-1] * 5, [-1] * 5]
    np.testing.assert_allclose(plain.similarities[:2, :2], [[0.8, 0.6], [0.6, 0]], rtol=1e-6)


def test_rows_come_out_with_length_1_and_empty_ones_as_they_are() -> None:
    weights = csr_array(np.array([[3.0, 4.0], [0.0, 0.0]]))

    assert plainly_normalised(weights).toarray() == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


def test_users_are_drawn_once_each_and_no_more_than_there_are() -> None:
    assert len(set(drawn_users(5, USERS, seed=1).tolist())) == 5
    assert drawn_users(2_000, USERS, seed=1).tolist() == list(range(USERS))


def test_the_fastest_run_and_the_highest_peak_count() -> None:
    rates = KnnRates(
        PLAN,
        FACTS,
        compile_seconds=1,
        runs={"ours": [Run(2, 4, 70, 100), Run(3, 3, 80, 90)], "implicit": [Run(12, 9, 10, 20), Run(8, 9, 15, 25)]},
        left_out={},
        differences={"implicit": Difference(USERS, 1e-7, same_rows=True)},
    )

    assert rates.ratios == {"implicit": 4}
    assert (rates.seconds("ours"), rates.cpu_seconds("ours"), rates.spread("ours")) == (2, 3, 1.5)
    assert (rates.peak_bytes("ours"), rates.whole_peak_bytes("ours")) == (80, 100)
    assert rates.exact
