"""Requests in sets."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from core.domain.errors import CacheUnavailable


@dataclass
class FakeRenewalRequests:
    """`asked` may be shared with other processes' requests."""

    asked: set[UUID] = field(default_factory=set)
    noted: set[UUID] = field(default_factory=set)
    unavailable: bool = False

    def note(self, user_id: UUID) -> None:
        self.noted.add(user_id)

    async def flush(self) -> None:
        noted, self.noted = self.noted, set()
        if noted:
            self._answer()
            self.asked |= noted

    async def take(self, at_most: int) -> Collection[UUID]:
        self._answer()
        taken = sorted(self.asked)[:at_most]
        self.asked.difference_update(taken)
        return taken

    def _answer(self) -> None:
        if self.unavailable:
            raise CacheUnavailable("Redis does not answer: it is a fake")
