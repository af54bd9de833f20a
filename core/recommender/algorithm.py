"""What every algorithm is: it learns from matrices of interactions and ranks posts for live histories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class RankedPosts(NamedTuple):
    """The posts for q queries, best first, ties by row; -1 and 0 where there are fewer than the limit.

    rows: shape (q, limit), int32, positions in the model's posts; scores: shape (q, limit), float32, positive. The
    limit is no more than all posts.
    """

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]


class Contributions(NamedTuple):
    """What one post's score for one query is made of: Σ strengths · votes, the order being of no meaning.

    of_users: whether rows are users, who vote for the post, or posts of the query, to which it is linked; rows: (c,),
    int64; strengths: (c,), float64, how similar the query is to each user, or what each post weighs in it; votes: (c,),
    float64, what each user's interactions say for the post, or how strong the link is, negative ones included.
    """

    of_users: bool
    rows: NDArray[np.int64]
    strengths: NDArray[np.float64]
    votes: NDArray[np.float64]

    @property
    def parts(self) -> NDArray[np.float64]:
        """(c,): what each adds to the score."""
        return self.strengths * self.votes


@dataclass(frozen=True, slots=True)
class InteractionMatrices:
    """The same interactions as user-item matrices of saturated weights, one under each half-life an algorithm wants.

    by_half_life: hours, 0 for none, to CSR (users, posts), float32, sorted, without zeros; post_ages_hours: (posts,),
    float64, how long before data-now each post had its first interaction, at least 0.
    """

    by_half_life: Mapping[float, csr_array]
    post_ages_hours: NDArray[np.float64]

    def under(self, half_life_hours: float) -> csr_array:
        """The matrix in which interactions lose half their weight in so many hours."""
        return self.by_half_life[half_life_hours]

    def post_fading(self, half_life_hours: float) -> NDArray[np.float32]:
        """(posts,): 2^(-age / half-life) of each post, 1 for all where the half-life is 0 (none)."""
        if not half_life_hours:
            return np.ones(len(self.post_ages_hours), dtype=np.float32)
        fading: NDArray[np.float64] = np.exp2(-self.post_ages_hours / half_life_hours)
        return fading.astype(np.float32)

    @staticmethod
    def timeless(matrix: csr_array) -> "InteractionMatrices":
        """Interactions all of the same moment: no half-life makes a difference."""
        return InteractionMatrices(_AnyHalfLife(matrix), np.zeros(matrix.shape[1]))


class _AnyHalfLife(dict[float, csr_array]):
    """One matrix under whatever half-life."""

    def __init__(self, matrix: csr_array) -> None:
        super().__init__()
        self._matrix = matrix

    def __missing__(self, half_life_hours: float) -> csr_array:
        return self._matrix


class Algorithm(Protocol):
    """Parameters are fields of a dataclass, annotated with the values they may have, and scikit-learn's estimator.

    The same matrices give the same model, and each query's answer is the same to the bit whatever is asked with it and
    with any number of threads.
    """

    @property
    def half_lives_hours(self) -> frozenset[float]:
        """The half-lives under which `fit` wants the matrix; 0 is none."""
        ...

    @property
    def query_half_life_hours(self) -> float:
        """The half-life under which `recommend` wants live histories; 0 is none."""
        ...

    def learning_bytes(self, posts: int) -> int:
        """What `fit` takes at its peak beside sparse matrices of the interactions."""
        ...

    def fit(self, matrices: InteractionMatrices) -> Self:
        """Learn. Raises ValueError for parameters and matrices that cannot be."""
        ...

    def recommend(  # noqa: PLR0917 - the two last are seldom given
        self,
        queries: csr_array,
        own_rows: NDArray[np.int64],
        seen: csr_array,
        limit: int,
        threads: int = 1,
        blocked: NDArray[np.bool_] | None = None,
    ) -> RankedPosts:
        """The `limit` best posts for each query, none of those it has seen; those with a positive score only.

        queries: CSR (q, posts), weights of each user's live history; own_rows: (q,), the user's row in the model or -1;
        seen: CSR (q, posts) whose entries, whatever their values, are the posts that must not be recommended; blocked:
        (posts,), those that must not be to anybody, None for none. Raises ValueError for arguments that do not fit the
        model.
        """
        ...

    def contributions(self, query: csr_array, own_row: int, post: int) -> Contributions:
        """What the score of a post is made of that `recommend` gives for this query, had it not been seen.

        query: CSR (1, posts); own_row: as above; post: a column. For a person's question, not for the hot path.
        """
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        ...

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, as numeric arrays by name."""
        ...

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Self:
        """This algorithm, having learned these very arrays. Raises KeyError or ValueError for what cannot be such."""
        ...


@runtime_checkable
class KeepsHistories(Protocol):
    """An algorithm that can tell what it has learned of a user, for a moment in which nobody else can."""

    def learned_history(self, row: int) -> csr_array:
        """CSR (1, posts): the weights of the user in this row, as `recommend` takes them but for a common factor.

        Empty where none are left.
        """
        ...
