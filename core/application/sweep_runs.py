"""Go on with runs that were left alone, and with chunks that the queue has lost."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.application.continue_run import USERS_AT_ONCE, ContinueRun
from core.application.ports.queue_levels import QueueLevels
from core.application.ports.run_ledger import RunLedger
from core.domain.errors import RunTakenOver
from core.domain.job import Queue
from core.domain.run import ATTEMPTS_AT_MOST, Run

OVERDUE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class SweepRuns:
    """Messages are taken in their order: a chunk that was enqueued well before all that wait now is lost, or stuck."""

    ledger: RunLedger
    continue_run: ContinueRun
    levels: QueueLevels

    async def __call__(self) -> int:
        """How many jobs were enqueued. Raises ArchiveUnavailable, QueueUnavailable."""
        if not (runs := await self.ledger.active()):
            return 0
        async with self.ledger.sweeping() as is_alone:
            return sum([await self._swept(run) for run in runs]) if is_alone else 0

    async def _swept(self, run: Run) -> int:
        try:
            if await self.ledger.is_untended(run.id, await self.ledger.moment() - OVERDUE_AFTER):
                await self.continue_run.for_a_while(run, OVERDUE_AFTER.total_seconds())
        except RunTakenOver:
            return 0
        count = await self._enqueued_anew(run)
        await self.ledger.settle(run.id)
        return count

    async def _enqueued_anew(self, run: Run) -> int:
        oldest_seconds = (await self.levels.read())[Queue.FEEDS_BULK].oldest_waiting_seconds or 0
        overdue = await self.ledger.moment() - OVERDUE_AFTER - timedelta(seconds=oldest_seconds)
        await self._set_hopeless_aside(run, overdue)
        return await self.continue_run.enqueue_open(run, overdue)

    async def _set_hopeless_aside(self, run: Run, overdue: datetime) -> None:
        """A message for one user tells no ledger of its failure: where no feed came of the third, none will."""
        if run.request.chunk_size == 1:
            await self.ledger.settle(run.id)
            for chunk in await self.ledger.exhausted(run.id, overdue, ATTEMPTS_AT_MOST, USERS_AT_ONCE):
                await self.ledger.split(chunk, "no feed came of three jobs: the workers' log says why")
