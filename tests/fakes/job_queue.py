"""A queue in lists, with leases in a dict."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.domain.backlog import Backlog
from core.domain.errors import QueueUnavailable
from core.domain.feed import FeedOrder
from core.domain.job import ChunkMessage, GenerateMessage, JobProgress, JobState, Queue, Submission


@dataclass
class FakeJobQueue:
    """`messages`, `bulk_messages` and `chunk_messages` are all that were ever put in.

    `on_submit` plays the worker: it runs each message of `feeds` before `submit` returns.
    """

    on_submit: Callable[[GenerateMessage], Awaitable[object]] | None = None
    messages: list[GenerateMessage] = field(default_factory=list)
    bulk_messages: list[GenerateMessage] = field(default_factory=list)
    chunk_messages: list[ChunkMessage] = field(default_factory=list)
    leases: dict[UUID, JobState] = field(default_factory=dict)
    done: dict[UUID, FeedOrder] = field(default_factory=dict)
    workers: dict[Queue, int] = field(default_factory=lambda: dict.fromkeys(Queue, 1))
    run_count: int = 0
    finished: int = 0
    is_full: bool = False
    unavailable: bool = False

    async def submit(self, message: GenerateMessage, known: FeedOrder | None = None) -> Submission:
        self._answer()
        done = self.done.get(message.user_id)
        if message.user_id in self.leases or (done is not None and known is not None and done > known):
            return self._submission(enqueued=False)
        if self.is_full:
            return self._submission(enqueued=False, is_refused=True)
        self.leases[message.user_id] = JobState.QUEUED
        self.messages.append(message)
        if self.on_submit is not None:
            await self.on_submit(message)
            self.run_count += 1
        return self._submission(enqueued=True)

    async def submit_bulk(self, messages: Sequence[GenerateMessage]) -> None:
        self._answer()
        self.bulk_messages.extend(messages)

    async def submit_chunks(self, messages: Sequence[ChunkMessage]) -> None:
        self._answer()
        self.chunk_messages.extend(messages)

    async def mark_running(self, user_id: UUID) -> None:
        self._answer()
        if user_id in self.leases:
            self.leases[user_id] = JobState.RUNNING

    async def finish(self, user_id: UUID, order: FeedOrder) -> None:
        self._answer()
        if self.leases.pop(user_id, None) is not None:
            self.finished += 1
            self.done[user_id] = order

    async def release(self, user_id: UUID) -> None:
        self._answer()
        self.finished += self.leases.pop(user_id, None) is not None

    async def progress(self, user_id: UUID) -> JobProgress | None:
        self._answer()
        return JobProgress(self.leases[user_id], self._backlog()) if user_id in self.leases else None

    async def depths(self) -> Mapping[Queue, int]:
        self._answer()
        return {Queue.FEEDS: len(self.messages) - self.run_count, Queue.FEEDS_BULK: len(self.bulk_messages)}

    async def workers_alive(self, queue: Queue) -> int:
        self._answer()
        return self.workers[queue]

    def _submission(self, *, enqueued: bool, is_refused: bool = False) -> Submission:
        return Submission(enqueued, self.workers[Queue.FEEDS], is_refused, self._backlog())

    def _backlog(self) -> Backlog:
        """All that ever finished did so in this one second."""
        return Backlog(len(self.messages) - self.run_count, self.finished, busy_seconds=min(self.finished, 1))

    def _answer(self) -> None:
        if self.unavailable:
            raise QueueUnavailable("Redis does not answer: it is a fake")
