"""The users whose stored feed does not know of their latest interactions."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from core.domain.levels import DueLevel


class DueUsers(Protocol):
    """A mark stays until a feed that knows of the change is archived. Raises ArchiveUnavailable."""

    async def among(self, user_ids: Sequence[UUID]) -> set[UUID]:
        """Those of them who are due."""
        ...

    async def level(self) -> DueLevel:
        """All of them, counted."""
        ...
