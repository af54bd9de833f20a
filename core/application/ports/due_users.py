"""The users whose stored feed does not know of their latest interactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DueLevel:
    """How many are due; when the one who waits longest acted last, None where nobody is; when the reader last read.

    sequence: the last number drawn.
    """

    users: int
    oldest_changed_at: datetime | None
    read_at: datetime | None
    sequence: int


class DueUsers(Protocol):
    """A mark stays until a feed that knows of the change is archived. Raises ArchiveUnavailable."""

    async def among(self, user_ids: Sequence[UUID]) -> set[UUID]:
        """Those of them who are due."""
        ...

    async def level(self) -> DueLevel:
        """All of them, counted."""
        ...
