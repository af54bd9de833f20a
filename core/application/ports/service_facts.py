"""What the database says of itself, for the status page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class InteractionFacts:
    """The size and range of the interactions."""

    count: int
    users: int
    posts: int
    first_at: datetime | None
    last_at: datetime | None


class ServiceFacts(Protocol):
    """Cheap enough to ask at any time. Raises ArchiveUnavailable."""

    async def schema_revision(self) -> str | None:
        """The migration that the schema is at, None before the first."""
        ...

    async def interactions(self) -> InteractionFacts: ...

    async def busiest_user(self) -> str | None:
        """The id, as the app wrote it, of the user with the most interactions: something to try the API with."""
        ...
