"""What stands in where REDIS_URL is not set: every call says so, and the callers make do without."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn
from uuid import UUID

from core.domain.cached_user import CachedUser
from core.domain.errors import CacheUnavailable, QueueUnavailable
from core.domain.feed import Feed, FeedOrder
from core.domain.job import ChunkMessage, GenerateMessage, JobProgress, Queue, Submission
from core.domain.levels import QueueLevel
from core.domain.user_change import UserChange

_MISSING = "REDIS_URL is not set"


class AbsentCachedUsers:
    """Knows nobody."""

    async def get(self, user_id: UUID) -> CachedUser:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)


class AbsentFeedCache:
    """Holds nothing."""

    async def get(self, user_id: UUID) -> Feed | None:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def put(self, feed: Feed) -> bool:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def put_many(self, feeds: Sequence[Feed]) -> None:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def put_provisional(self, feed: Feed) -> bool:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def announce(self, user_id: UUID) -> None:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def forget(self, orders: Mapping[UUID, FeedOrder]) -> None:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def is_cold(self, user_id: UUID) -> bool:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def mark_cold(self, user_id: UUID) -> None:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)


class AbsentSeenPosts:
    """Remembers nothing."""

    async def add(self, changes: Sequence[UserChange]) -> None:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def get(self, user_id: UUID) -> UserChange | None:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)


class AbsentVisits:
    """Nobody to tell."""

    def note(self, user_id: UUID) -> None:
        """Nobody asks for it."""

    async def flush(self) -> None:
        """There is nothing to tell."""

    async def recent_among(self, user_ids: Collection[UUID]) -> set[UUID]:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)

    async def recent(self) -> AsyncIterator[Sequence[UUID]]:
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)
        yield []


class AbsentRenewalRequests:
    """Nobody to ask."""

    def note(self, user_id: UUID) -> None:
        """Nobody asks for it."""

    async def flush(self) -> None:
        """There is nothing to tell."""

    async def take(self, at_most: int) -> Collection[UUID]:  # noqa: ARG002 - the port's signature
        """Raise CacheUnavailable."""
        raise CacheUnavailable(_MISSING)


class DeafListening:
    """Hears nothing."""

    async def heard(self, timeout_seconds: float) -> bool:  # noqa: ARG002 - the port's signature
        """Nothing will come: do not wait."""
        return False


class AbsentFeedSignals:
    """Nobody to hear from."""

    @asynccontextmanager
    async def listen(self, user_id: UUID) -> AsyncIterator[DeafListening]:  # noqa: ARG002 - the port's signature
        """An ear that hears nothing."""
        yield DeafListening()

    async def send(self, user_id: UUID) -> None:
        """Nobody hears it."""

    async def send_posts_changed(self) -> None:
        """Nobody hears it."""

    def on_posts_changed(self, tell: Callable[[], None]) -> None:
        """There is nothing to tell."""

    def wake_all(self) -> None:
        """Nobody waits."""


class AbsentJobQueue:
    """Takes no message."""

    async def submit(
        self,
        message: GenerateMessage,  # noqa: ARG002 - the port's signature
        known: FeedOrder | None = None,  # noqa: ARG002 - the port's signature
    ) -> Submission:
        """Raise QueueUnavailable."""
        _refuse()

    async def submit_bulk(self, messages: Sequence[GenerateMessage]) -> None:  # noqa: ARG002 - the port's signature
        """Raise QueueUnavailable."""
        _refuse()

    async def submit_chunks(self, messages: Sequence[ChunkMessage]) -> None:  # noqa: ARG002 - the port's signature
        """Raise QueueUnavailable."""
        _refuse()

    async def mark_running(self, user_id: UUID) -> None:  # noqa: ARG002 - the port's signature
        """Raise QueueUnavailable."""
        _refuse()

    async def finish(self, user_id: UUID, order: FeedOrder) -> None:  # noqa: ARG002 - the port's signature
        """Raise QueueUnavailable."""
        _refuse()

    async def release(self, user_id: UUID) -> None:  # noqa: ARG002 - the port's signature
        """Raise QueueUnavailable."""
        _refuse()

    async def progress(self, user_id: UUID) -> JobProgress | None:  # noqa: ARG002 - the port's signature
        """Raise QueueUnavailable."""
        _refuse()

    async def depths(self) -> Mapping[Queue, int]:
        """Raise QueueUnavailable."""
        _refuse()

    async def workers_alive(self, queue: Queue) -> int:  # noqa: ARG002 - the port's signature
        """Raise QueueUnavailable."""
        _refuse()


class AbsentQueueLevels:
    """Knows no figures."""

    async def read(self) -> Mapping[Queue, QueueLevel]:
        """Raise QueueUnavailable."""
        _refuse()


def _refuse() -> NoReturn:
    raise QueueUnavailable(_MISSING)
