"""Pacing without a clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.domain.errors import CacheUnavailable


@dataclass
class FakeJobPacing:
    """The last seconds go on until `let_time_pass`."""

    paced: set[UUID] = field(default_factory=set)
    unavailable: bool = False

    async def admit(self, user_ids: Sequence[UUID]) -> set[UUID]:
        if self.unavailable:
            raise CacheUnavailable("Redis does not answer: it is a fake")
        admitted = set(user_ids) - self.paced
        self.paced |= admitted
        return admitted

    def let_time_pass(self) -> None:
        """Longer than the pace."""
        self.paced.clear()
