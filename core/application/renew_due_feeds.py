"""Have the feeds of due users made anew, of those who are there to see it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.due_users import DueUsers
from core.application.ports.job_queue import JobQueue
from core.application.ports.renewal_pacing import RenewalPacing
from core.application.ports.renewal_requests import RenewalRequests
from core.application.ports.visits import Visits
from core.domain.errors import CacheUnavailable, Unavailable
from core.domain.job import GenerateMessage

WAITING_AT_MOST = 10_000
ASKED_AT_MOST = 1000
BATCH = 50
"""About ten milliseconds of a processor: a person's job beside it is not kept waiting for long."""

RenewBatch = Callable[[Sequence[UUID]], Awaitable[Collection[UUID]]]


@dataclass(slots=True)
class RenewDueFeeds:
    """In batches; the absent get theirs when they come, or in the next run.

    A job of their own, as if somebody waited, get those whom a batch leaves out, and those whose batch failed or died
    with its process: there deaths and failures are counted, and one user's do not keep others waiting.

    renew_together: see RenewTogether; waiting: users to look at when it is time; has_missed: whether that is not all of
    them; suspects: those for whom a server did not answer, for good where it is one of them who asks too much of it.
    What a process forgets when it dies `heal` finds. Raises ArchiveUnavailable, CacheUnavailable and
    QueueUnavailable.
    """

    due_users: DueUsers
    visits: Visits
    requests: RenewalRequests
    pacing: RenewalPacing
    renew_together: RenewBatch
    queue: JobQueue
    waiting: set[UUID] = field(default_factory=set)
    has_missed: bool = False
    suspects: frozenset[UUID] = frozenset()

    def note(self, user_ids: Iterable[UUID]) -> None:
        """Look at these next time, as long as there is room; for whom there is none all are gone through."""
        room, new = max(0, WAITING_AT_MOST - len(self.waiting)), sorted(set(user_ids) - self.waiting)
        self.waiting.update(new[:room])
        self.has_missed |= len(new) > room

    async def __call__(self) -> int:
        """Renew the feeds of those who wait, and of those asked for; how many were made together."""
        made = await self._heal_what_was_missed()
        due = await self._due_who_wait()
        return made + await self._renew(due.union(await self.requests.take(ASKED_AT_MOST)))

    async def heal(self) -> int:
        """Renew the feeds of all due visitors, whatever became of earlier tries; how many were made together.

        However many those are, who acts meanwhile waits for some of them only.
        """
        made = 0
        async for visitors in self.visits.recent():
            due = await self.due_users.among(visitors)
            made += await self._renew(due | await self._due_who_wait())
        return made

    async def _heal_what_was_missed(self) -> int:
        if not self.has_missed:
            return 0
        self.has_missed = False
        try:
            return await self.heal()
        except Unavailable:
            self.has_missed = True
            raise

    async def _due_who_wait(self) -> set[UUID]:
        """They go on waiting until their feeds are made; the others do not, unless they act while this is found out."""
        still_waiting, self.waiting = self.waiting, set()
        try:
            still_waiting = await self._due_visitors(still_waiting)
        finally:
            self.waiting |= still_waiting
        return still_waiting

    async def _due_visitors(self, user_ids: Collection[UUID]) -> set[UUID]:
        visitors = await self.visits.recent_among(user_ids)
        return await self.due_users.among(sorted(visitors)) if visitors else set()

    async def _renew(self, user_ids: set[UUID]) -> int:
        made = 0
        for batch in self._batches(user_ids):
            admission = await self.pacing.admit(batch)
            self.note(set(batch) - admission.together)
            # First: whoever is in hand when the queue does not answer would be alone for an hour.
            made += await self._renewed(sorted(admission.together)) if admission.together else 0
            await self._submit(sorted(admission.alone))
        return made

    def _batches(self, user_ids: set[UUID]) -> Iterator[Sequence[UUID]]:
        """Suspects have batches of their own, after the others'."""
        others = sorted(user_ids - self.suspects)
        for start in range(0, len(others), BATCH):
            yield others[start : start + BATCH]
        for user_id in sorted(user_ids & self.suspects):
            yield [user_id]

    async def _renewed(self, user_ids: Sequence[UUID]) -> int:
        # Now: who acts while the batch is made waits again.
        self.waiting.difference_update(user_ids)
        try:
            made = await self.renew_together(user_ids)
        except asyncio.CancelledError:
            await self._put_back(user_ids)
            raise
        except Unavailable:
            if self.suspects.issuperset(user_ids):
                await self._submit(user_ids)
            else:
                self.suspects = frozenset(user_ids)
                await self._put_back(user_ids)
            raise
        except Exception:  # whoever made the batch has told of it; it must not stop the others
            await self._submit(user_ids)
            return 0
        self.suspects = self.suspects.difference(user_ids)
        await self._lay_down(user_ids)
        await self._submit(sorted(set(user_ids).difference(made)))
        return len(made)

    async def _put_back(self, user_ids: Sequence[UUID]) -> None:
        self.note(user_ids)
        await self._lay_down(user_ids)

    async def _lay_down(self, user_ids: Sequence[UUID]) -> None:
        """Where that fails they are alone next time."""
        with suppress(CacheUnavailable):
            await self.pacing.done(user_ids)

    async def _submit(self, user_ids: Sequence[UUID]) -> None:
        """A job may have read too early that was there before: such users wait, and all do where the queue is full."""
        self.note(user_ids)
        for user_id in user_ids:
            submission = await self.queue.submit(GenerateMessage(user_id, "renewal"))
            if submission.is_refused:
                break
            if submission.enqueued:
                self.waiting.discard(user_id)
