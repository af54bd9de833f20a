"""Begin anew with jobs that somebody has a ticket for and that the queue has lost."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from core.application.ports.clock import Clock
from core.application.ports.job_queue import JobQueue
from core.application.ports.ticket_store import TicketStore
from core.domain.job import GenerateMessage

OVERDUE_AFTER = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class SweepTickets:
    """A job that is under way has its lease and is left alone; so is one whose holder has polled in the meantime."""

    tickets: TicketStore
    queue: JobQueue
    clock: Clock

    async def __call__(self) -> int:
        """How many jobs were enqueued. Raises ArchiveUnavailable, QueueUnavailable."""
        count = 0
        async with self.tickets.overdue(self.clock.now() - OVERDUE_AFTER) as user_ids:
            for user_id in user_ids:
                submission = await self.queue.submit(GenerateMessage(user_id, f"sweep-{uuid4()}"))
                count += submission.enqueued
        return count
