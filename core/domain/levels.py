"""How the service stands at one moment, in figures: what is queued, what serves, how fresh it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.domain.job import Queue
from core.domain.model import Serving


@dataclass(frozen=True, slots=True)
class QueueLevel:
    """One queue: messages by what they wait for, dead letters, and worker processes alive.

    waiting: for a worker; delayed: for their next attempt; running: in a worker's hands; oldest_waiting_seconds: how
    long the one at the head has waited, None where none waits.
    """

    waiting: int = 0
    delayed: int = 0
    running: int = 0
    oldest_waiting_seconds: float | None = None
    dead_letters: int = 0
    workers_alive: int = 0


@dataclass(frozen=True, slots=True)
class FeedStock:
    """Stored feeds, fresh and stale, and when the oldest was generated, None without any.

    Of very many feeds all three are estimates.
    """

    fresh: int = 0
    stale: int = 0
    oldest_generated_at: datetime | None = None

    @property
    def stale_share(self) -> float:
        """Between 0 and 1; 0 where nothing is stored."""
        total = self.fresh + self.stale
        return self.stale / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Serves:
    """Which model serves, and when the popular posts were counted, None if never."""

    serving: Serving
    popular_computed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueLevel:
    """How many users' feeds do not know of their latest interactions; when the one who waits longest acted last.

    read_at: when interactions were last looked for; sequence: the last number given to a change.
    """

    users: int = 0
    oldest_changed_at: datetime | None = None
    read_at: datetime | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """Each part is None that could not be asked."""

    queues: Mapping[Queue, QueueLevel] | None = None
    serves: Serves | None = None
    feeds: FeedStock | None = None
    due: DueLevel | None = None
