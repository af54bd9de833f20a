"""Runs, and how far each of their chunks has got."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.feed import Feed
from core.domain.run import Chunk, Run, RunKind, RunRequest, SetAside


class RunLedger(Protocol):
    """Lasting: whoever dies, what was done counts once and what was not can be found. Raises ArchiveUnavailable."""

    async def begin_run(
        self,
        request: RunRequest,
        started_by: str,
        user_ids: Sequence[UUID] | None = None,
        *,
        beside_others: bool = False,
    ) -> Run:
        """A new run, of these users where they are given: then nobody is left to be enumerated.

        Raises RunActive where one of its kind is active, unless it may stand beside others.
        """
        ...

    async def find(self, run_id: UUID) -> Run | None:
        """The run with its counts; None where there never was one."""
        ...

    async def latest(self, count: int) -> Sequence[Run]:
        """The runs begun last, the latest first."""
        ...

    async def active(self, kind: RunKind | None = None) -> Sequence[Run]:
        """Runs that have something left to do, the oldest first."""
        ...

    async def set_aside(self, run_id: UUID) -> Sequence[SetAside]:
        """Users of the run who failed alone."""
        ...

    async def cancel(self, run_id: UUID) -> bool:
        """Let no further chunk of it begin; False where it was over already."""
        ...

    async def add_users(
        self, run: Run, user_ids: Sequence[UUID], enumerated_up_to: UUID | None, *, is_last: bool
    ) -> Run:
        """In one transaction write users in chunks, and up to whom the enumeration has got; the run as it is then.

        Raises RunTakenOver where the enumeration is not where this run says, or the run is over.
        """
        ...

    async def take_open(self, run: Run, enqueued_before: datetime | None, count: int) -> Sequence[Chunk]:
        """Up to so many open chunks that were never enqueued, or (unless None) before that moment: now they are.

        Where chunks are of one user, each time counts as an attempt. Who takes what never was enqueued tends the run.
        """
        ...

    async def tend(self, run_id: UUID) -> None:
        """Let others know that somebody goes on with the run."""
        ...

    async def exhausted(self, run_id: UUID, enqueued_before: datetime, attempts: int, count: int) -> Sequence[Chunk]:
        """Up to so many open chunks that were last enqueued before that moment, and at least so many times."""
        ...

    async def begin_chunk(self, chunk_id: UUID) -> Chunk | None:
        """The chunk, with one attempt more; None where nothing (any more) is to be done for it."""
        ...

    async def hand_back(self, chunk_ids: Collection[UUID]) -> None:
        """Take one attempt back from each of these that is open: it ended for a reason that is not the chunk's."""
        ...

    async def finish_chunk(self, chunk: Chunk, feeds: Sequence[Feed]) -> Sequence[Feed] | None:
        """In one transaction store the feeds that are newer than what is there, and count the chunk as done.

        Those stored; None, with nothing changed, where it was counted before.
        """
        ...

    async def split(self, chunk: Chunk, error: str) -> Sequence[Chunk]:
        """Replace the chunk by its halves, or set its only user aside; the halves, counted as enqueued."""
        ...

    async def leave_out(self, run_id: UUID, user_id: UUID) -> None:
        """Count a user with a chunk of their own as one without a feed, unless it is over already."""
        ...

    async def is_cancelled(self, run_id: UUID) -> bool:
        """Whether somebody has cancelled the run."""
        ...

    def sweeping(self) -> AbstractAsyncContextManager[bool]:
        """Whether nobody else is inside such a block: of all sweepers one is at it."""
        ...

    async def settle(self, run_id: UUID) -> bool:
        """Count users in chunks of one who have got a feed since; complete the run where nothing is left to do.

        Whether the run is over.
        """
        ...

    async def count_ended(self, before: datetime) -> int:
        """How many runs were over before the moment."""
        ...

    async def remove_ended(self, before: datetime, at_most: int) -> int:
        """Remove so many of them with their chunks, the oldest first; gives how many there were to remove."""
        ...

    async def speed(self) -> float | None:
        """Feeds a second of the fastest of the last completed runs that made any; None before the first."""
        ...

    async def is_untended(self, run_id: UUID, since: datetime) -> bool:
        """Whether nobody has written or taken chunks of the run since that moment."""
        ...

    async def moment(self) -> datetime:
        """Now, by the clock that the ledger's moments are of."""
        ...
