"""The posts that must not be served."""

from typing import Protocol

from core.domain.post_set import PostSet


class HiddenPosts(Protocol):
    """The copy this process holds: never fails, keeps the last good one while Postgres is away, and watches the clock.

    What the table says is known half a second later at the most; a post expires to the moment.
    """

    def current(self) -> PostSet:
        """Those hidden or expired by now."""
        ...

    async def catch_up(self) -> None:
        """Know at once what the table says; for whoever has just changed it."""
        ...
