"""Pacing without a clock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.renewal_pacing import Admission
from core.domain.errors import CacheUnavailable


@dataclass
class FakeRenewalPacing:
    """The last seconds go on until `let_time_pass`; who is in hand stays there for ever."""

    paced: set[UUID] = field(default_factory=set)
    in_hand: set[UUID] = field(default_factory=set)
    unavailable: bool = False

    async def admit(self, user_ids: Sequence[UUID]) -> Admission:
        self._answer()
        admitted = set(user_ids) - self.paced
        admission = Admission(admitted - self.in_hand, admitted & self.in_hand)
        self.paced |= admitted
        self.in_hand |= admitted
        return admission

    async def done(self, user_ids: Collection[UUID]) -> None:
        self._answer()
        self.in_hand.difference_update(user_ids)

    def let_time_pass(self) -> None:
        """Longer than the pace."""
        self.paced.clear()

    def _answer(self) -> None:
        if self.unavailable:
            raise CacheUnavailable("Redis does not answer: it is a fake")
