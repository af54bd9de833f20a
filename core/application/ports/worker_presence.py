"""A worker process's sign of life."""

from typing import Protocol

from core.domain.job import Queue


class WorkerPresence(Protocol):
    """Each sign counts for ten seconds of the broker's own clock. Raises QueueUnavailable."""

    async def beat(self, queue: Queue) -> None:
        """This process takes messages from the queue."""
        ...

    async def leave(self, queue: Queue) -> None:
        """This process takes no more."""
        ...
