"""One bulk generation over many users, which any process may leave and another go on with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

_REQUEST_PREFIX = "run-"

ATTEMPTS_AT_MOST = 3
"""After so many a chunk is split, and a user who is alone in one is set aside."""


class RunState(StrEnum):
    """A run's place in its life."""

    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    CANCELLED = "cancelled"


class RunKind(StrEnum):
    """Whose feeds a run makes; of each kind one is active at a time, unless that is overridden."""

    ACTIVE_USERS = "active_users"
    NAMED_USERS = "named_users"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked for.

    within_days: active so many days before data-now, None for ever; limit: users at the most; chunk_size: users a job,
    1 for the very message that a web process sends; model_version: the model that served when the run began;
    users_per_s: no more users a second go into the queue, None for as fast as can be.
    """

    kind: RunKind = RunKind.ACTIVE_USERS
    within_days: int | None = None
    limit: int | None = None
    chunk_size: int = 500
    min_posts: int = 5
    model_version: str | None = None
    users_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Users of a run: in chunks so far, and by what became of them.

    stored: have a feed of this run; kept: have a newer one; without_feed: below the cold-start threshold by now;
    set_aside: failed alone.
    """

    users: int = 0
    stored: int = 0
    kept: int = 0
    without_feed: int = 0
    set_aside: int = 0

    @property
    def finished(self) -> int:
        """Users for whom nothing is left to do."""
        return self.stored + self.kept + self.without_feed + self.set_aside


@dataclass(frozen=True, slots=True)
class Run:
    """A row of the ledger. after_generation: feeds of higher ones have been made since the run began."""

    id: UUID
    request: RunRequest
    started_by: str
    started_at: datetime
    after_generation: int
    state: RunState = RunState.RUNNING
    finished_at: datetime | None = None
    enumerated_up_to: UUID | None = None
    is_enumerated: bool = False
    counts: RunCounts = RunCounts()

    @property
    def is_active(self) -> bool:
        """Whether there is something left to do."""
        return self.state is RunState.RUNNING

    @property
    def request_id(self) -> str:
        """What ties the log lines of its jobs to the run."""
        return f"{_REQUEST_PREFIX}{self.id}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Users whose feeds one job makes. attempts: begun so far, this one included."""

    id: UUID
    run_id: UUID
    user_ids: Sequence[UUID]
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class SetAside:
    """A user who got no feed, and why."""

    user_id: UUID
    error: str


def run_id_of(request_id: str) -> UUID | None:
    """The run whose job it is, None where somebody asked for it."""
    try:
        return UUID(request_id.removeprefix(_REQUEST_PREFIX)) if request_id.startswith(_REQUEST_PREFIX) else None
    except ValueError:
        return None


def chunk_id_of(run_id: UUID, first_user_id: UUID) -> UUID:
    """The id of the run's chunk that begins with the user, where it is no half of another."""
    return uuid5(run_id, str(first_user_id))


def halves(user_ids: Sequence[UUID]) -> tuple[Sequence[UUID], Sequence[UUID]]:
    """The first half and the rest."""
    middle = len(user_ids) // 2
    return user_ids[:middle], user_ids[middle:]
