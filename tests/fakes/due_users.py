"""Due users in a set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.domain.errors import ArchiveUnavailable
from core.domain.levels import DueLevel


@dataclass
class FakeDueUsers:
    """`due` is changed by the test; `changed_at` is when each of them acted, `read_at` when somebody looked."""

    due: set[UUID] = field(default_factory=set)
    changed_at: datetime | None = None
    read_at: datetime | None = None
    unavailable: bool = False

    async def among(self, user_ids: Sequence[UUID]) -> set[UUID]:
        self._answer()
        return self.due & set(user_ids)

    async def level(self) -> DueLevel:
        self._answer()
        return DueLevel(len(self.due), self.changed_at if self.due else None, self.read_at)

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
