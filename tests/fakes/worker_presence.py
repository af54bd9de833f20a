"""Signs of life in a dict."""

from dataclasses import dataclass, field

from core.domain.errors import QueueUnavailable
from core.domain.job import Queue


@dataclass
class FakeWorkerPresence:
    """Speaks for one process; `alive` may be shared with other ones."""

    process_name: str = "fake-process"
    alive: dict[Queue, set[str]] = field(default_factory=lambda: {queue: set() for queue in Queue})
    unavailable: bool = False

    async def beat(self, queue: Queue) -> None:
        self._answer()
        self.alive[queue].add(self.process_name)

    async def leave(self, queue: Queue) -> None:
        self._answer()
        self.alive[queue].discard(self.process_name)

    def _answer(self) -> None:
        if self.unavailable:
            raise QueueUnavailable("Redis does not answer: it is a fake")
