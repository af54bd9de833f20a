"""Messages that were given up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.job import Queue


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that failed for good, or over which workers died.

    user_id, request_id: None where it cannot be read as a message of ours; error: why it is here, empty where that was
    not noted; attempts: how often it was tried.
    """

    id: str
    queue: Queue
    died_at: datetime
    error: str
    user_id: UUID | None
    request_id: str | None
    attempts: int


class DeadLetters(Protocol):
    """Kept for a week. Raises QueueUnavailable."""

    async def all(self) -> Sequence[DeadLetter]:
        """Those of all queues, the latest first."""
        ...

    async def retry(self, ids: Collection[str]) -> int:
        """Put them into their queues again, to be tried as often as new ones; how many there were.

        What cannot be read as a message stays where it is.
        """
        ...

    async def drop(self, ids: Collection[str]) -> int:
        """Forget them; how many there were."""
        ...
