"""Generate one user's feed in bulk: the message of a web process, but for whom nobody waits."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.run_ledger import RunLedger
from core.domain.errors import ArchiveUnavailable, RunCancelled
from core.domain.feed import Feed
from core.domain.job import GenerateMessage
from core.domain.run import run_id_of

ASK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class GenerateInBulk:
    """Messages of a run that was cancelled stay in the queue, perhaps a million of them: they are passed over."""

    generate_feed: Callable[[GenerateMessage], Awaitable[Feed | None]]
    ledger: RunLedger
    now: Callable[[], float] = time.monotonic
    told: dict[UUID, tuple[float, bool]] = field(default_factory=dict)
    """Of the run asked about last: when, and whether it was cancelled."""

    async def __call__(self, message: GenerateMessage) -> Feed | None:
        """The feed, None for a user without history, whom the run waits for no longer. Raises RunCancelled."""
        run_id = run_id_of(message.request_id)
        if run_id is not None and await self._is_cancelled(run_id):
            raise RunCancelled(f"run {run_id} is cancelled")
        feed = await self.generate_feed(message)
        if run_id is not None and feed is None:
            await self.ledger.leave_out(run_id, message.user_id)
        return feed

    async def _is_cancelled(self, run_id: UUID) -> bool:
        asked_at, is_cancelled = self.told.get(run_id, (-ASK_AGAIN_SECONDS, False))
        if is_cancelled or self.now() < asked_at + ASK_AGAIN_SECONDS:
            return is_cancelled
        try:
            is_cancelled = await self.ledger.is_cancelled(run_id)
        except ArchiveUnavailable:  # what is to be done then, the job itself knows
            is_cancelled = False
        self.told.clear()
        self.told[run_id] = self.now(), is_cancelled
        return is_cancelled
