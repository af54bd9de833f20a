"""What item-based algorithms have in common: for each post, what it adds to the scores of others."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from core.recommender.algorithm import Contributions, RankedPosts
from core.recommender.inverted_index import SparseRows, check_rows
from core.recommender.parameters import Parameterised, check_parameters
from core.recommender.ranking import Blocked, ranked_products

BYTES_PER_LINK = 40
"""What is found, what is left of it when posts fade, and what is kept."""


class LinkedPosts(Parameterised):
    """Scores a post j by Σ weight(query, i) · link(i, j) over the posts i of the query.

    Learned: `links_`, SparseRows (posts, posts), not negative.
    """

    k: int
    query_half_life: float
    links_: SparseRows

    @property
    def query_half_life_hours(self) -> float:
        """That of queries."""
        return self.query_half_life

    def learning_bytes(self, posts: int) -> int:
        """The k strongest links of each post, some times over."""
        return BYTES_PER_LINK * posts * min(self.k, posts)

    def recommend(  # noqa: PLR0917 - see Algorithm
        self,
        queries: csr_array,
        own_rows: NDArray[np.int64],  # noqa: ARG002 - users are not compared
        seen: csr_array,
        limit: int,
        threads: int = 1,
        blocked: Blocked = None,
    ) -> RankedPosts:
        """The `limit` best posts for each query, none of those it has seen; see Algorithm."""
        return ranked_products(queries, self.links_, seen, limit, threads, blocked)

    def contributions(self, query: csr_array, own_row: int, post: int) -> Contributions:  # noqa: ARG002 - as above
        """The posts of the query that are linked to the post; see Algorithm."""
        return contributions_of_posts(query, self.links_.column(post))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, as numeric arrays by name."""
        return dict(self.links_._asdict())

    def with_arrays(self, arrays: Mapping[str, NDArray[Any]], users: int, posts: int) -> Self:  # noqa: ARG002 - users do not count
        """This algorithm on these very arrays."""
        check_parameters(self)
        self.links_ = SparseRows(*(arrays[name] for name in SparseRows._fields))
        check_rows(self.links_, posts, posts)
        return self


def contributions_of_posts(query: csr_array, links: NDArray[Any]) -> Contributions:
    """Of the query's posts, each with what it weighs and how it is linked. links: (posts,), 0 for none."""
    linked = links[query.indices] != 0
    rows = query.indices[linked].astype(np.int64)
    strengths, votes = query.data[linked].astype(np.float64), links[rows].astype(np.float64)
    return Contributions(of_users=False, rows=rows, strengths=strengths, votes=votes)
