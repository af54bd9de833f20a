"""Posts that an answer leaves out."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from core.domain.feed import Recommendation


class PostSet(Protocol):
    """Asked of every answer: whether it has any of a list must cost next to nothing.

    version: another number once it holds other posts.
    """

    @property
    def version(self) -> int: ...

    def __contains__(self, post_id: UUID, /) -> bool: ...

    def has_any_of(self, recommendations: Sequence[Recommendation], /) -> bool:
        """Whether one of the recommended posts is among them."""
        ...


class Posts(frozenset[UUID]):
    """Some posts, which stay the same."""

    version = 0

    def has_any_of(self, recommendations: Sequence[Recommendation], /) -> bool:
        """Whether one of the recommended posts is among them."""
        return bool(self) and any(item.post_id in self for item in recommendations)
