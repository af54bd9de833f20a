"""The histories of many users at once."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from core.domain.history import HistoryBatch


class HistoryBatches(Protocol):
    """Reads interactions from Postgres, not from any snapshot of before. Raises ArchiveUnavailable."""

    async def read(self, user_ids: Sequence[UUID]) -> HistoryBatch:
        """The whole histories of all of them, in one query, with a generation drawn in the same snapshot."""
        ...
