"""Ranking metrics against examples worked by hand, scikit-learn and plain formulas, and their laws."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.metrics import ndcg_score

from core.recommender.ranking_metrics import (
    catalogue_coverage,
    hit_at_k,
    ndcg_at_k,
    novelty_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank_at_k,
)

Measure = Callable[[NDArray[np.int64], csr_array, int], NDArray[np.float64]]
MEASURES: tuple[Measure, ...] = (ndcg_at_k, precision_at_k, recall_at_k, hit_at_k, reciprocal_rank_at_k)
all_measures = pytest.mark.parametrize("measure", MEASURES)


def lists(*rows: list[int]) -> NDArray[np.int64]:
    width = max(len(row) for row in rows)
    return np.array([row + [-1] * (width - len(row)) for row in rows], dtype=np.int64)


def gains(*rows: list[float]) -> csr_array:
    return csr_array(np.array(rows, dtype=np.float32))


@st.composite
def judged_lists(draw: st.DrawFn) -> tuple[NDArray[np.int64], csr_array, int]:
    """Lists of distinct posts, some shorter than others, and gains in whole numbers, some users with none."""
    users, posts = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    recommended = np.array([random.permutation(posts) for _ in range(users)], dtype=np.int64)
    recommended[np.arange(posts) >= random.integers(0, posts + 1, users)[:, None]] = -1
    relevant = random.integers(0, 4, (users, posts)) * (random.random((users, posts)) < random.random((users, 1)))
    return recommended, csr_array(relevant.astype(np.float32)), draw(st.integers(1, posts + 3))


def test_relevant_posts_at_ranks_one_and_three_of_three_relevant_ones() -> None:
    recommended, relevant = lists([4, 0, 2]), gains([0, 1, 1, 0, 1])

    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg_at_k(recommended, relevant, 3) == pytest.approx([(1 + 1 / 2) / ideal])
    assert precision_at_k(recommended, relevant, 3) == pytest.approx([2 / 3])
    assert recall_at_k(recommended, relevant, 3) == pytest.approx([2 / 3])
    assert hit_at_k(recommended, relevant, 3).tolist() == [1]


def test_the_first_relevant_post_says_the_reciprocal_rank() -> None:
    recommended = lists([3, 0, 1, 2], [0, 1, 2, 3], [2, 3], [])
    relevant = gains([1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0])

    assert reciprocal_rank_at_k(recommended, relevant, 4).tolist() == [1 / 2, 1, 0, 0]
    assert reciprocal_rank_at_k(recommended, relevant, 1).tolist() == [0, 1, 0, 0]


def test_a_post_in_many_lists_covers_the_catalogue_once() -> None:
    recommended = lists([0, 1, 2], [0, 3], [])

    assert catalogue_coverage(recommended, 8, 1) == 1 / 8
    assert catalogue_coverage(recommended, 8, 2) == 3 / 8
    assert catalogue_coverage(recommended, 8, 10) == 4 / 8


def test_a_post_that_an_eighth_of_users_have_is_worth_three_bits_of_novelty() -> None:
    shares = np.array([1 / 2, 1 / 8, 1, 0])

    assert novelty_at_k(lists([1], [0, 1], [2]), shares, 5).tolist() == [3, 2, 0]
    assert novelty_at_k(lists([0, 1]), shares, 1).tolist() == [1]
    assert np.isnan(novelty_at_k(lists([], [0]), shares, 2)).tolist() == [True, False]


def test_coverage_and_novelty_refuse_lists_that_are_none() -> None:
    with pytest.raises(ValueError, match="row 3 is recommended where there are 3 posts"):
        catalogue_coverage(lists([3]), 3, 1)
    with pytest.raises(ValueError, match="recommends a post twice"):
        novelty_at_k(lists([0, 0]), np.ones(1), 2)
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        novelty_at_k(lists([1]), np.array([1.0, 0.0]), 1)


def test_only_the_first_k_count() -> None:
    recommended, relevant = lists([3, 0, 1]), gains([1, 1, 0, 0])

    assert ndcg_at_k(recommended, relevant, 2) == pytest.approx([(1 / math.log2(3)) / (1 + 1 / math.log2(3))])
    assert precision_at_k(recommended, relevant, 2).tolist() == [0.5]
    assert recall_at_k(recommended, relevant, 2).tolist() == [0.5]
    assert hit_at_k(recommended, relevant, 1).tolist() == [0]


def test_what_a_short_list_lacks_is_missed() -> None:
    recommended, relevant = lists([1], [0, 2]), gains([0, 1, 0], [1, 0, 1])

    assert precision_at_k(recommended, relevant, 4).tolist() == [0.25, 0.5]
    assert ndcg_at_k(recommended, relevant, 4).tolist() == [1, 1]
    assert ndcg_at_k(lists([]), gains([1, 1]), 4).tolist() == [0]


def test_more_relevant_posts_than_places_leave_ndcg_at_one_and_recall_below() -> None:
    recommended, relevant = lists([0, 1]), gains([1, 1, 1, 1])

    assert ndcg_at_k(recommended, relevant, 2).tolist() == [1]
    assert recall_at_k(recommended, relevant, 2).tolist() == [0.5]


def test_a_higher_gain_counts_more_and_belongs_first() -> None:
    relevant = gains([3, 1])

    assert ndcg_at_k(lists([0, 1]), relevant, 2).tolist() == [1]
    swapped = (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))
    assert ndcg_at_k(lists([1, 0]), relevant, 2) == pytest.approx([swapped])


@all_measures
def test_users_without_relevant_posts_are_not_judged(measure: Measure) -> None:
    stored_zero = csr_array((np.array([0, 1], dtype=np.float32), ([0, 2], [1, 0])), shape=(3, 2))

    judged = measure(lists([0, 1], [1], [0]), stored_zero, 1)

    assert np.isnan(judged).tolist() == [True, True, False]


@all_measures
def test_nobody_is_judged_by_no_posts_at_all(measure: Measure) -> None:
    assert np.isnan(measure(lists([-1], [-1]), csr_array((2, 0), dtype=np.float32), 3)).all()
    assert measure(np.empty((0, 5), dtype=np.int64), csr_array((0, 4), dtype=np.float32), 3).shape == (0,)


@all_measures
def test_a_post_given_twice_as_relevant_is_one_post_with_both_gains(measure: Measure) -> None:
    twice = csr_array((np.ones(3, dtype=np.float32), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 3))

    assert measure(lists([0, 1, 2]), twice, 2).tolist() == measure(lists([0, 1, 2]), gains([1, 0, 2]), 2).tolist()
    assert twice.nnz == 3


@given(st.integers(1, 6), st.integers(2, 12), st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_ndcg_is_that_of_scikit_learn(users: int, posts: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, relevant = random.random((users, posts)), random.integers(0, 4, (users, posts)).astype(np.float64)
    relevant[:, 0] += 1
    recommended = np.argsort(-scores, axis=1)

    found = ndcg_at_k(recommended, csr_array(relevant), k)

    assert found.mean() == pytest.approx(ndcg_score(relevant, scores, k=k))


@given(judged_lists())
def test_all_are_what_plain_formulas_give(judged: tuple[NDArray[np.int64], csr_array, int]) -> None:
    recommended, relevant, k = judged
    found = [measure(recommended, relevant, k) for measure in MEASURES]

    for user, row in enumerate(relevant.toarray()):
        if row.any():
            got = [float(row[post]) if post >= 0 else 0.0 for post in recommended[user][:k]]
            best = sorted(row.tolist(), reverse=True)[:k]
            dcg, ideal = (sum(gain / math.log2(2 + at) for at, gain in enumerate(seq)) for seq in (got, best))
            hits, there = sum(gain > 0 for gain in got), sum(row > 0)
            first = next((1 / (1 + at) for at, gain in enumerate(got) if gain), 0.0)
            plain = [dcg / ideal, hits / k, hits / there, float(hits > 0), first]
            assert [values[user] for values in found] == pytest.approx(plain)


@given(judged_lists())
def test_all_lie_between_0_and_1_and_leave_the_same_users_out(
    judged: tuple[NDArray[np.int64], csr_array, int],
) -> None:
    recommended, relevant, k = judged
    unjudged = relevant.toarray().sum(axis=1) == 0

    for measure in MEASURES:
        values = measure(recommended, relevant, k)
        assert (np.isnan(values) == unjudged).all()
        assert ((values[~unjudged] >= 0) & (values[~unjudged] <= 1)).all()


@given(judged_lists())
def test_the_list_in_the_order_of_gains_has_ndcg_1(judged: tuple[NDArray[np.int64], csr_array, int]) -> None:
    _, relevant, k = judged
    perfect = np.argsort(-relevant.toarray(), axis=1, kind="stable")

    values = ndcg_at_k(perfect, relevant, k)

    assert (values[~np.isnan(values)] == 1).all()


@given(judged_lists(), st.integers(0, 11), st.integers(0, 11))
def test_moving_a_relevant_post_up_never_lowers_any(
    judged: tuple[NDArray[np.int64], csr_array, int], rank: int, other_rank: int
) -> None:
    recommended, relevant, k = judged
    upper, lower = sorted((rank % recommended.shape[1], other_rank % recommended.shape[1]))
    gain_of = np.append(relevant.toarray()[0], 0)  # the last is that of -1, where the list is over
    assume(gain_of[recommended[0, lower]] >= gain_of[recommended[0, upper]])
    moved = recommended.copy()
    moved[0, [upper, lower]] = recommended[0, [lower, upper]]

    for measure in MEASURES:
        before, after = measure(recommended, relevant, k)[0], measure(moved, relevant, k)[0]
        assert np.isnan(before) or after >= before - 1e-12


@all_measures
def test_arguments_that_do_not_fit_are_refused_with_the_rule(measure: Measure) -> None:
    relevant = gains([1, 0, 0])

    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        measure(lists([0]), relevant, 0)
    with pytest.raises(ValueError, match=r"lists of the shape \(2, 1\) cannot be judged by 1 users' posts"):
        measure(lists([0], [1]), relevant, 1)
    with pytest.raises(ValueError, match="row 3 is recommended where there are 3 posts"):
        measure(lists([3]), relevant, 1)
    with pytest.raises(ValueError, match="gains must be finite and not negative"):
        measure(lists([0]), gains([1, -1, 0]), 1)
    with pytest.raises(ValueError, match="recommends a post twice"):
        measure(lists([0, 0]), relevant, 2)
