"""What must not be served is not recommended either: hidden posts take no places in new feeds."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

# To put thousands together takes milliseconds of every job; answers leave out meanwhile what is hidden by then.
BLOCK_SECONDS = 5.0


class ShownToNobody(Protocol):
    """Posts, and a number that is another one once they are others."""

    @property
    def version(self) -> int: ...

    def post_ids(self) -> Collection[UUID]: ...


class Holder(Protocol):
    """Whoever knows which posts are hidden by now."""

    def current(self) -> ShownToNobody: ...


class Blocker(Protocol):
    """Whoever recommends."""

    def block(self, post_ids: Collection[UUID]) -> None: ...


class BlockedPosts:
    """Blocks the posts that are hidden by now, and those only, whenever they have changed."""

    def __init__(self, holder: Holder, blocker: Blocker) -> None:
        self._holder = holder
        self._blocker = blocker
        self._version = 0

    async def __call__(self) -> None:
        """Look once."""
        hidden = self._holder.current()
        if hidden.version != self._version:
            self._version = hidden.version
            self._blocker.block(hidden.post_ids())
