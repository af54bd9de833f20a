"""How full the queues are."""

from collections.abc import Mapping
from typing import Protocol

from core.domain.job import Queue
from core.domain.levels import QueueLevel


class QueueLevels(Protocol):
    """As cheap with a million messages as with none. Raises QueueUnavailable."""

    async def read(self) -> Mapping[Queue, QueueLevel]:
        """Every queue, at one moment of the server's own clock."""
        ...
