"""Have a due user's feed generated anew while the one that is there is served."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import UUID

from core.application.ports.job_pacing import JobPacing
from core.application.ports.job_queue import JobQueue
from core.domain.errors import CacheUnavailable, QueueUnavailable
from core.domain.job import GenerateMessage

# Whoever asks all the time costs one look at the pace in so many seconds.
PAUSE_SECONDS = 1.0
AT_ONCE_AT_MOST = 1000


class RenewInBackground:
    """Nobody waits for it and nothing fails: a mark that stays is found by the next read, and by the workers."""

    def __init__(self, pacing: JobPacing, queue: JobQueue, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._pacing = pacing
        self._queue = queue
        self._pause_seconds = pause_seconds
        self._resting: dict[UUID, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (tasks := list(self._resting.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __call__(self, user_id: UUID, request_id: str) -> None:
        """Submit a job, unless that was done a moment ago, or too many are being submitted."""
        if user_id not in self._resting and len(self._resting) < AT_ONCE_AT_MOST:
            task = self._resting[user_id] = asyncio.create_task(self._submit_and_rest(user_id, request_id))
            task.add_done_callback(lambda _: self._resting.pop(user_id))

    async def _submit_and_rest(self, user_id: UUID, request_id: str) -> None:
        with suppress(CacheUnavailable, QueueUnavailable):
            if await self._pacing.admit([user_id]):
                await self._queue.submit(GenerateMessage(user_id, request_id))
        await asyncio.sleep(self._pause_seconds)
