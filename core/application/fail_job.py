"""Give a job up: tell those who hold tickets, and let the next request begin anew."""

from dataclasses import dataclass
from uuid import UUID

from core.application.ports.job_queue import JobQueue
from core.application.ports.ticket_store import TicketStore
from core.domain.errors import QueueUnavailable


@dataclass(frozen=True, slots=True)
class FailJob:
    """Called once a job's last retry has failed."""

    tickets: TicketStore
    queue: JobQueue

    async def __call__(self, user_id: UUID, failure: str) -> None:
        """Raises ArchiveUnavailable: then the tickets stay as they are, and polling begins the job again."""
        await self.tickets.fail_all_of(user_id, failure)
        try:
            await self.queue.release(user_id)
        except QueueUnavailable:
            return
