"""What the holder of a ticket is told."""

from dataclasses import dataclass

from core.domain.job import JobState, Ticket
from core.domain.page import FeedPage

_PENDING = frozenset({JobState.QUEUED, JobState.RUNNING})


@dataclass(frozen=True, slots=True)
class JobReport:
    """Where a job stands; the page is there when it succeeded, the failure when it failed.

    retry_after_seconds: when a pending job is worth another look.
    """

    ticket: Ticket
    state: JobState
    page: FeedPage | None = None
    failure: str | None = None
    retry_after_seconds: int = 1

    @property
    def is_pending(self) -> bool:
        """Whether the state may yet change while the ticket is honoured."""
        return self.state in _PENDING
