"""Write down a run's users and put their jobs into the queue, from wherever somebody else has left off."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.application.ports.active_users import ActiveUsers
from core.application.ports.job_queue import JobQueue
from core.application.ports.run_ledger import RunLedger
from core.domain.job import ChunkMessage, GenerateMessage
from core.domain.run import Chunk, Run, RunRequest

USERS_AT_ONCE = 10_000
# Whoever pauses for longer than sweepers wait would find the run taken over.
TENDED_EVERY_SECONDS = 5.0

OnEnqueued = Callable[[int], Awaitable[None]]
"""Hears how many more users are in the queue; as long as it takes, nothing further is put in."""


async def nobody_listens(_: int) -> None:
    """For callers who do not mind."""


class _Pace:
    """Lets no more users a second pass than the run was asked to."""

    def __init__(
        self,
        run: Run,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        tend: Callable[[], Awaitable[None]],
    ) -> None:
        self._rate, self._now, self._sleep, self._tend = run.request.users_per_s, now, sleep, tend
        self._began, self._count = now(), 0

    async def __call__(self, users: int) -> None:
        self._count += users
        if self._rate is None:
            return
        while (left := self._began + self._count / self._rate - self._now()) > 0:
            await self._sleep(min(left, TENDED_EVERY_SECONDS))
            await self._tend()


def users_at_once(request: RunRequest, users_at_most: int | None = None) -> int:
    """About a second's worth, and no more than that."""
    rate = USERS_AT_ONCE if request.users_per_s is None else max(1, int(request.users_per_s))
    return min(USERS_AT_ONCE, rate, users_at_most or USERS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class ContinueRun:
    """Chunks are in the ledger before their messages are in the queue: what is lost in between can be found."""

    ledger: RunLedger
    active_users: ActiveUsers
    queue: JobQueue
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __call__(self, run: Run) -> Run:
        """To the last user, at the run's pace. Raises RunTakenOver where another process goes on with it meanwhile."""
        pace = _Pace(run, self.now, self.sleep, lambda: self.ledger.tend(run.id))
        return await self._go_on(run, pace, None)

    async def for_a_while(self, run: Run, seconds: float) -> Run:
        """The same at once, with as many users as the run's pace admits in this time: all, where it has none."""
        rate = run.request.users_per_s
        return await self._go_on(run, nobody_listens, None if rate is None else max(1, int(rate * seconds)))

    async def _go_on(self, run: Run, on_enqueued: OnEnqueued, users_at_most: int | None) -> Run:
        at_once = users_at_once(run.request, users_at_most)
        await self.enqueue_open(run, None, on_enqueued, at_once)
        if not run.is_enumerated:
            before = run.counts.users
            async with aclosing(self._batches(run, at_once)) as batches:
                async for user_ids, is_last in batches:
                    up_to = user_ids[-1] if user_ids else None
                    run = await self.ledger.add_users(run, user_ids, up_to, is_last=is_last)
                    await self.enqueue_open(run, None, on_enqueued, at_once)
                    if users_at_most is not None and run.counts.users - before >= users_at_most:
                        break
        await self.ledger.settle(run.id)
        return run

    async def enqueue_open(
        self,
        run: Run,
        enqueued_before: datetime | None,
        on_enqueued: OnEnqueued = nobody_listens,
        users_at_once: int = USERS_AT_ONCE,
    ) -> int:
        """Enqueue the chunks that never were, or before that moment; how many."""
        count, at_once = 0, max(1, users_at_once // run.request.chunk_size)
        while chunks := await self.ledger.take_open(run, enqueued_before, at_once):
            await self._submit(run, chunks)
            await on_enqueued(sum(len(chunk.user_ids) for chunk in chunks))
            count += len(chunks)
        return count

    async def _submit(self, run: Run, chunks: Sequence[Chunk]) -> None:
        if run.request.chunk_size == 1:
            messages = [GenerateMessage(user_id, run.request_id) for chunk in chunks for user_id in chunk.user_ids]
            await self.queue.submit_bulk(messages)
        else:
            await self.queue.submit_chunks([ChunkMessage(chunk.id, run.request_id) for chunk in chunks])

    async def _batches(self, run: Run, users_at_once: int) -> AsyncGenerator[tuple[Sequence[UUID], bool]]:
        """Users that are not in the run yet, whole chunks of them, and whether they are the last."""
        request, held = run.request, list[UUID]()
        size = max(1, users_at_once // request.chunk_size) * request.chunk_size
        left = None if request.limit is None else request.limit - run.counts.users
        batches = self.active_users.batches(request.within_days, request.min_posts, run.enumerated_up_to)
        async for batch in batches:
            held.extend(batch)
            while len(held) > size and (left is None or left > size):
                yield held[:size], False
                del held[:size]
                left = None if left is None else left - size
            if left is not None and len(held) >= left:
                break
        yield held[:left], True
