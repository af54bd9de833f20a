"""Who is worth a feed before asking for one."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID


class ActiveUsers(Protocol):
    """Users with enough distinct posts, enumerated in constant memory. Raises ArchiveUnavailable."""

    def batches(
        self, within_days: int | None, min_posts: int, after: UUID | None = None
    ) -> AsyncIterator[Sequence[UUID]]:
        """Users with an interaction within so many days before data-now (None: ever) and at least `min_posts` posts.

        In the order of their ids, beginning after the one given.
        """
        ...
