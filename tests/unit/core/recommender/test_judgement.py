"""Lists judged by a test set, in a case worked by hand."""

import math

import numpy as np
import pytest
from scipy.sparse import csr_array

from core.recommender.judgement import Judgement, judged, summarised

LISTS = np.array([[0, 1], [2, -1], [-1, -1]])
RELEVANT = csr_array(np.array([[0, 5, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]]))
"""Three trained posts and one that only the test knows."""

SHARES = np.array([1 / 2, 1 / 4, 1 / 8])


def judgement_of(lists: list[list[int]]) -> Judgement:
    return judged(np.array(lists), RELEVANT, SHARES, (1, 2))


def test_the_values_are_those_worked_by_hand() -> None:
    found = judged(LISTS, RELEVANT, SHARES, (1, 2))

    # Of two relevant posts, both worth the same, one is at rank 2; the other one is unknown, and so a miss.
    ideal = 1 + 1 / math.log2(3)
    assert found.of("ndcg@2") == pytest.approx([1 / math.log2(3) / ideal, 1, 0])
    assert found.of("ndcg@1").tolist() == [0, 1, 0]
    assert found.of("recall@2").tolist() == [1 / 2, 1, 0]
    assert found.of("precision@2").tolist() == [1 / 2, 1 / 2, 0]
    assert found.of("hit_rate@2").tolist() == [1, 1, 0]
    assert found.of("mrr@2").tolist() == [1 / 2, 1, 0]
    assert found.of("novelty@2")[:2].tolist() == [1.5, 3]
    assert found.coverage == {1: 2 / 3, 2: 1}


def test_a_user_without_a_list_counts_as_zero_in_all_but_novelty() -> None:
    found = judged(LISTS, RELEVANT, SHARES, (2,))

    assert found.without_list == 1
    assert np.isnan(found.values[2]).tolist() == [name.startswith("novelty") for name in found.names]
    summary = summarised({"knn": found})["knn"]
    assert summary.estimates["recall@2"].mean == pytest.approx(0.5)
    assert summary.estimates["novelty@2"].mean == pytest.approx(2.25)


def test_differences_to_the_baseline_are_those_of_the_means() -> None:
    ours, theirs = judgement_of([[1, 0], [2, 0], [0, 1]]), judgement_of([[1, 0], [0, 1], [1, 2]])

    found = summarised({"knn": ours, "popular": theirs}, "popular")

    assert found["popular"].differences is None
    assert found["knn"].differences is not None
    gain = found["knn"].differences["hit_rate@1"]
    assert gain.absolute.mean == pytest.approx(1 - 1 / 3)
    assert gain.relative.mean == pytest.approx(2)
    assert found["knn"].estimates["hit_rate@1"] == (1, 1, 1)


def test_without_a_baseline_nothing_is_compared() -> None:
    assert summarised({"knn": judgement_of([[0, 1]] * 3)})["knn"].differences is None


def test_a_user_without_relevant_posts_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="without relevant posts"):
        judged(np.array([[0]]), csr_array((1, 3)), SHARES, (1,))


def test_differences_are_paired_so_that_the_same_lists_differ_in_nothing() -> None:
    lists = [[1, 0], [2, 0], [0, 1]]

    found = summarised({"knn": judgement_of(lists), "popular": judgement_of(lists)}, "popular")["knn"]

    assert found.differences is not None
    assert found.estimates["ndcg@2"].low < found.estimates["ndcg@2"].high
    assert found.differences["ndcg@2"].absolute == (0, 0, 0)
