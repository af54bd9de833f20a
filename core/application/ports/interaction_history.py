"""What users have done, as the app's database has it now."""

from typing import Protocol
from uuid import UUID

from core.domain.history import History


class InteractionHistory(Protocol):
    """Reads the interactions of one user from Postgres, not from any snapshot. Raises ArchiveUnavailable."""

    async def count_posts(self, user_id: UUID, at_most: int) -> int:
        """How many distinct posts the user has interacted with, counting no further than `at_most`."""
        ...

    async def read(self, user_id: UUID) -> History:
        """The whole history, with a generation drawn in the same snapshot."""
        ...
