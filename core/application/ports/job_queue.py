"""The way to the workers."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from core.domain.feed import FeedOrder
from core.domain.job import ChunkMessage, GenerateMessage, JobProgress, Queue, Submission


class JobQueue(Protocol):
    """Delivers each message at least once. One interactive job per user at a time. Raises QueueUnavailable."""

    async def submit(self, message: GenerateMessage, known: FeedOrder | None = None) -> Submission:
        """Put the message in `feeds` unless the user's job is there already (a lease that expires by itself).

        known: the newest feed the caller found; a job that has just finished with a newer one is the caller's job too.
        Refused where too many messages wait in it. Tells what waits in any case.
        """
        ...

    async def submit_bulk(self, messages: Sequence[GenerateMessage]) -> None:
        """Put all of them in `feeds-bulk`, in few round trips, without leases."""
        ...

    async def submit_chunks(self, messages: Sequence[ChunkMessage]) -> None:
        """The same for chunks of a run."""
        ...

    async def mark_running(self, user_id: UUID) -> None:
        """Note on the user's lease, if there is one, that a worker has begun."""
        ...

    async def finish(self, user_id: UUID, order: FeedOrder) -> None:
        """End the user's lease with the feed that is shown by now; the job counts as finished."""
        ...

    async def release(self, user_id: UUID) -> None:
        """End the user's lease without a feed: the next submit is a new job, and this one counts as finished."""
        ...

    async def progress(self, user_id: UUID) -> JobProgress | None:
        """How the user's job stands while its lease holds, else None."""
        ...

    async def depths(self) -> Mapping[Queue, int]:
        """Messages in each queue: waiting, delayed for a retry, or in a worker's hands."""
        ...

    async def workers_alive(self, queue: Queue) -> int:
        """Worker processes that gave a sign of life for this queue in the last seconds."""
        ...
