"""Due users in a set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.due_users import DueLevel
from core.domain.errors import ArchiveUnavailable


@dataclass
class FakeDueUsers:
    """`due` is changed by the test."""

    due: set[UUID] = field(default_factory=set)
    unavailable: bool = False

    async def among(self, user_ids: Sequence[UUID]) -> set[UUID]:
        self._answer()
        return self.due & set(user_ids)

    async def level(self) -> DueLevel:
        self._answer()
        return DueLevel(len(self.due), None, None, 0)

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
