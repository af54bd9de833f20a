"""Posts that an answer leaves out."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Protocol
from uuid import UUID


class PostSet(Protocol):
    """Asked of every answer: whether it has any of a list must cost next to nothing, however many posts it holds.

    keys: the sixteen bytes of each post's id.
    """

    @property
    def keys(self) -> AbstractSet[bytes]: ...

    def __contains__(self, post_id: UUID, /) -> bool: ...


class Posts:
    """Some posts, which stay the same."""

    def __init__(self, post_ids: Iterable[UUID] = ()) -> None:
        self.keys = frozenset(post_id.bytes for post_id in post_ids)

    def __contains__(self, post_id: UUID, /) -> bool:
        return post_id.bytes in self.keys
