"""What lists are worth to the users of a test set: every metric at every k, user by user and summed up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.bootstrap import Difference, Estimate, differences, estimates, resampled_means
from core.recommender.ranking_metrics import (
    catalogue_coverage,
    hit_at_k,
    ndcg_at_k,
    novelty_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank_at_k,
)

Measure = Callable[[NDArray[np.integer[Any]], csr_array, int], NDArray[np.float64]]

MEASURES: Mapping[str, Measure] = {
    "ndcg": ndcg_at_k,
    "recall": recall_at_k,
    "precision": precision_at_k,
    "hit_rate": hit_at_k,
    "mrr": reciprocal_rank_at_k,
}
NOVELTY = "novelty"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One algorithm's lists, judged. names: such as `ndcg@10`, one for each column.

    values: (q, columns), float64; 0 for a user without a list, but for novelty, where that is NaN. coverage: by k, the
    share of trained posts in any list. without_list: users who got none.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    coverage: Mapping[int, float]
    without_list: int

    def of(self, name: str) -> NDArray[np.float64]:
        """(q,): the values of one metric at one k, named like `ndcg@10`. Raises ValueError for one there is not."""
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True, slots=True)
class Summary:
    """A judgement's means over users, by name, with intervals, and how far they are above the baseline's."""

    estimates: Mapping[str, Estimate]
    differences: Mapping[str, Difference] | None


def judged(
    recommended: NDArray[np.integer[Any]], relevant: csr_array, user_shares: NDArray[np.float64], ks: Sequence[int]
) -> Judgement:
    """Judge lists. recommended: (q, width), rows of trained posts, as in ranking_metrics.

    relevant: CSR (q, posts), the relevant posts of each user, who must have one, all worth the same; its first columns
    are the trained posts, those behind are posts unknown to training, which nobody can be recommended: misses, all of
    them. user_shares: (trained posts,), which part of the trained users has each. Raises ValueError.
    """
    if not (relevant.indptr[1:] > relevant.indptr[:-1]).all():
        raise ValueError("a user without relevant posts cannot be judged")
    wanted = csr_array((np.ones(relevant.nnz), relevant.indices, relevant.indptr), shape=relevant.shape)
    columns = {f"{name}@{k}": measure(recommended, wanted, k) for name, measure in MEASURES.items() for k in ks} | {
        f"{NOVELTY}@{k}": novelty_at_k(recommended, user_shares, k) for k in ks
    }
    return Judgement(
        tuple(columns),
        np.column_stack(list(columns.values())),
        {k: catalogue_coverage(recommended, len(user_shares), k) for k in ks},
        int((recommended < 0).all(axis=1).sum()),
    )


def summarised(judgements: Mapping[str, Judgement], baseline: str | None = None, seed: int = 0) -> dict[str, Summary]:
    """Means with intervals by algorithm, all of the same users at the same ks; differences are paired.

    baseline: the algorithm that the others are compared with, None for no comparison. Raises KeyError for one that was
    not judged.
    """
    resampled = {name: resampled_means(judgement.values, seed) for name, judgement in judgements.items()}

    def compared(name: str) -> Mapping[str, Difference] | None:
        if baseline is None or name == baseline:
            return None
        ours, theirs = judgements[name], judgements[baseline]
        found = differences(ours.values, theirs.values, resampled[name], resampled[baseline])
        return dict(zip(ours.names, found, strict=True))

    return {
        name: Summary(
            dict(zip(judgement.names, estimates(judgement.values, resampled[name]), strict=True)), compared(name)
        )
        for name, judgement in judgements.items()
    }
