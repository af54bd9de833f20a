"""Active users, found in a list of interactions."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from core.application.ports.clock import Clock
from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import Interaction
from tests.fakes.clock import FakeClock


@dataclass
class FakeActiveUsers:
    """Interactions of all users, in any order."""

    interactions: list[Interaction] = field(default_factory=list)
    batch_size: int = 1000
    clock: Clock = field(default_factory=FakeClock)
    unavailable: bool = False

    async def batches(
        self, within_days: int | None, min_posts: int, after: UUID | None = None
    ) -> AsyncIterator[Sequence[UUID]]:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
        newest = max((act.created_at for act in self.interactions), default=self.clock.now())
        since = min(self.clock.now(), newest) - timedelta(days=within_days) if within_days is not None else None
        users = sorted({act.user_id for act in self.interactions if since is None or act.created_at >= since})
        active = [user_id for user_id in users if self._post_count(user_id) >= min_posts]
        active = [user_id for user_id in active if after is None or user_id > after]
        for start in range(0, len(active), self.batch_size):
            yield active[start : start + self.batch_size]

    def _post_count(self, user_id: UUID) -> int:
        return len({act.post_id for act in self.interactions if act.user_id == user_id})
