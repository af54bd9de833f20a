"""Visits in sets."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.domain.errors import CacheUnavailable


@dataclass
class FakeVisits:
    """A visit is recent for ever; `visitors`, told `page` at a time, may be shared with other processes' visits."""

    visitors: set[UUID] = field(default_factory=set)
    noted: set[UUID] = field(default_factory=set)
    page: int = 1000
    unavailable: bool = False

    def note(self, user_id: UUID) -> None:
        self.noted.add(user_id)

    async def flush(self) -> None:
        noted, self.noted = self.noted, set()
        if noted:
            self._answer()
            self.visitors |= noted

    async def recent_among(self, user_ids: Collection[UUID]) -> set[UUID]:
        self._answer()
        return self.visitors & set(user_ids)

    async def recent(self) -> AsyncIterator[Sequence[UUID]]:
        self._answer()
        visitors = sorted(self.visitors)
        for start in range(0, len(visitors), self.page):
            yield visitors[start : start + self.page]

    def _answer(self) -> None:
        if self.unavailable:
            raise CacheUnavailable("Redis does not answer: it is a fake")
