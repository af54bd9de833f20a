"""Give a job up: tell those who hold tickets, and let the next request begin anew."""

from dataclasses import dataclass
from uuid import UUID

from core.application.ports.feed_signals import FeedSignals
from core.application.ports.job_queue import JobQueue
from core.application.ports.ticket_store import TicketStore
from core.domain.errors import QueueUnavailable


@dataclass(frozen=True, slots=True)
class FailJob:
    """Called once a job's last retry has failed; calling it again changes nothing."""

    tickets: TicketStore
    queue: JobQueue
    signals: FeedSignals

    async def __call__(self, user_id: UUID, failure: str) -> None:
        """Raises ArchiveUnavailable: then the tickets stay open, and the next poll begins the job again."""
        try:
            await self.tickets.fail_all_of(user_id, failure)
        finally:
            # Not before: the failure would hit the tickets of the next job.
            await self._release(user_id)
        await self.signals.send(user_id)

    async def _release(self, user_id: UUID) -> None:
        """A lease that cannot be ended expires by itself."""
        try:
            await self.queue.release(user_id)
        except QueueUnavailable:
            return
