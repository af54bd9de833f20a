"""Generate the feeds of a chunk of users: what a worker does for a run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.application.compose_feeds import ComposeFeeds
from core.application.give_way import GiveWay
from core.application.ports.feed_cache import FeedCache
from core.application.ports.job_queue import JobQueue
from core.application.ports.run_ledger import RunLedger
from core.domain.errors import CacheUnavailable, Unavailable
from core.domain.feed import Feed
from core.domain.job import ChunkMessage
from core.domain.run import ATTEMPTS_AT_MOST, Chunk


@dataclass(frozen=True, slots=True)
class GenerateChunk:
    """Durable and counted in one transaction, then visible; a chunk that is done twice counts once."""

    ledger: RunLedger
    give_way: GiveWay
    compose_feeds: ComposeFeeds
    cache: FeedCache
    queue: JobQueue
    excused: set[UUID] = field(default_factory=set)
    """Chunks whose last attempt ended because a server went away, as long as the ledger has not heard of it."""

    async def __call__(self, message: ChunkMessage) -> int | None:
        """How many feeds were stored; None where nothing was to be done, or it failed and is tried again.

        Raises Unavailable: the message is not done, and what fails for everybody is no attempt of the chunk's.
        """
        await self.give_way()
        await self._hand_back_attempts()
        chunk = await self.ledger.begin_chunk(message.chunk_id)
        if chunk is None:
            return None
        if chunk.attempts > ATTEMPTS_AT_MOST:
            await self._give_up(chunk, message, "the worker that made the feeds died, each time")
            return None
        try:
            feeds = await self.compose_feeds(chunk.user_ids)
            stored = await self.ledger.finish_chunk(chunk, feeds)
        except Unavailable:
            self.excused.add(chunk.id)
            raise
        except Exception as error:  # whatever it is, it is told in the ledger and must not stop the run
            await self._failed(chunk, message, f"{type(error).__name__}: {error}")
            return None
        await self._show(stored or [])
        await self.ledger.settle(chunk.run_id)
        return None if stored is None else len(stored)

    async def _hand_back_attempts(self) -> None:
        if excused := frozenset(self.excused):
            await self.ledger.hand_back(excused)
            self.excused.difference_update(excused)

    async def _failed(self, chunk: Chunk, message: ChunkMessage, error: str) -> None:
        if chunk.attempts < ATTEMPTS_AT_MOST:
            await self.queue.submit_chunks([message])
        else:
            await self._give_up(chunk, message, error)

    async def _give_up(self, chunk: Chunk, message: ChunkMessage, error: str) -> None:
        """Of two halves one is whole, as a rule; who is alone is set aside."""
        pieces = await self.ledger.split(chunk, error)
        await self.queue.submit_chunks([ChunkMessage(piece.id, message.request_id) for piece in pieces])
        await self.ledger.settle(chunk.run_id)

    async def _show(self, feeds: Sequence[Feed]) -> None:
        """The archive has them: a cache that is away costs time only."""
        try:
            await self.cache.put_many(feeds)
        except CacheUnavailable:
            return
