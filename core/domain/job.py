"""A request to generate a feed, seen from outside."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from core.domain.backlog import Backlog
from core.domain.feed import FeedOrder
from core.domain.ids import to_uuid


class Queue(StrEnum):
    """Who waits for the message: a person, or nobody."""

    FEEDS = "feeds"
    FEEDS_BULK = "feeds-bulk"


class JobState(StrEnum):
    """What a ticket's holder may be told."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PagePosition:
    """Where in which stored feed the next page begins; `offset` counts stored recommendations."""

    order: FeedOrder
    offset: int


@dataclass(frozen=True)
class FeedRequest:
    """What a caller asked for; `user_text` is the user's id as sent.

    min_seq: the number of a change of which the feed must know, 0 for none, for first pages only; recent_post_ids: what
    is known of somebody without a history, the latest first: `user_text` is that session's id then.
    """

    user_text: str
    limit: int
    excluded_post_ids: tuple[str, ...] = ()
    after: PagePosition | None = None
    min_seq: int = 0
    recent_post_ids: tuple[UUID, ...] = ()

    @cached_property
    def user_id(self) -> UUID:
        """The id under which the user is stored."""
        return to_uuid(self.user_text)


@dataclass(frozen=True, slots=True)
class Patience:
    """How a caller wants to wait: for how long, not at all (`respond_async`), or rather popular posts (`fallback`)."""

    wait_seconds: float
    respond_async: bool = False
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """One caller's claim on a job: it is honoured by any feed of the user newer than `newer_than`."""

    id: UUID
    request: FeedRequest
    newer_than: FeedOrder
    created_at: datetime
    expires_at: datetime
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class GenerateMessage:
    """What a worker is told: whose feed to generate, and the id that ties its log lines to the request.

    recent_post_ids: see FeedRequest.
    """

    user_id: UUID
    request_id: str
    recent_post_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkMessage:
    """What a worker is told of many users at once: which chunk of a run to generate."""

    chunk_id: UUID
    request_id: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a submitted message: put in the queue, or joined to a job already there; is anyone working?

    is_refused: neither, because too many messages wait already.
    """

    enqueued: bool
    workers_alive: int
    is_refused: bool = False
    backlog: Backlog = field(default_factory=Backlog)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A job under way: QUEUED or RUNNING, and what its queue has before it."""

    state: JobState
    backlog: Backlog


def message_of(request: FeedRequest, request_id: str) -> GenerateMessage:
    """What a worker is told for a request."""
    return GenerateMessage(request.user_id, request_id, request.recent_post_ids)
