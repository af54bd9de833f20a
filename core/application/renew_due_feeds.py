"""Have the feeds of due users generated anew, of those who are there to see it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.due_users import DueUsers
from core.application.ports.job_pacing import JobPacing
from core.application.ports.job_queue import JobQueue
from core.application.ports.visits import Visits
from core.domain.job import GenerateMessage

POSTPONED_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class RenewDueFeeds:
    """Jobs for due users with a recent visit; the others get theirs when they come, or in the next run.

    `postponed` holds those for whom a job may have read too early, or who had one just now: they are looked at again.
    What a process forgets when it dies `heal` finds. Raises ArchiveUnavailable, CacheUnavailable and QueueUnavailable.
    """

    due_users: DueUsers
    visits: Visits
    pacing: JobPacing
    queue: JobQueue
    postponed: set[UUID] = field(default_factory=set)

    async def __call__(self, changed: Collection[UUID]) -> int:
        """Renew the feeds of those who have just become due; the number of jobs."""
        visitors = await self.visits.recent_among(changed) if changed else set()
        return await self._submit(visitors) + await self._submit_postponed(visitors)

    async def heal(self) -> int:
        """Renew the feeds of all due visitors, whatever became of earlier jobs; the number of jobs."""
        jobs = 0
        async for visitors in self.visits.recent():
            jobs += await self._submit(await self.due_users.among(visitors))
        return jobs

    async def _submit_postponed(self, just_submitted: set[UUID]) -> int:
        waiting = self.postponed - just_submitted
        if not waiting:
            return 0
        due = await self.due_users.among(sorted(waiting))
        self.postponed.difference_update(waiting - due)
        return await self._submit(due)

    async def _submit(self, user_ids: set[UUID]) -> int:
        """Where the queue is full the rest waits: who comes gets a job of their own."""
        if not user_ids:
            return 0
        admitted, jobs = await self.pacing.admit(sorted(user_ids)), 0
        self._postpone(user_ids - admitted)
        for user_id in admitted:
            submission = await self.queue.submit(GenerateMessage(user_id, "renewal"))
            if submission.enqueued:
                jobs += 1
                self.postponed.discard(user_id)
            else:
                self._postpone({user_id})
            if submission.is_refused:
                break
        return jobs

    def _postpone(self, user_ids: set[UUID]) -> None:
        room = max(0, POSTPONED_AT_MOST - len(self.postponed))
        self.postponed.update(sorted(user_ids)[:room])
