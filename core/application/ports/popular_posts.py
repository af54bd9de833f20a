"""The popular feed, stored and held."""

from typing import Protocol

from core.domain.popular import PopularFeed


class PopularPosts(Protocol):
    """Needs no model: counted from the interactions in the database itself. Raises ArchiveUnavailable."""

    async def refresh(self) -> None:
        """Count anew and replace the stored feed in one transaction."""
        ...

    async def refresh_if_older_than(self, age_seconds: float) -> bool:
        """Refresh unless that was done within this age, or is being done elsewhere at this moment."""
        ...

    async def read(self) -> PopularFeed:
        """The stored feed, with the texts of its post ids; an empty one before the first refresh."""
        ...


class HeldPopularFeed(Protocol):
    """The copy this process holds: never fails, and keeps the last good one while Postgres is away."""

    def current(self) -> PopularFeed: ...
