"""Interactions in a list."""

from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.clock import Clock
from core.domain.errors import ArchiveUnavailable
from core.domain.history import History
from core.domain.interaction import Interaction
from tests.fakes.clock import FakeClock


@dataclass
class FakeInteractionHistory:
    """Interactions of all users, in any order; each reading draws the next generation."""

    interactions: list[Interaction] = field(default_factory=list)
    clock: Clock = field(default_factory=FakeClock)
    generation: int = 0
    epoch: int = 0
    sequences: dict[UUID, int] = field(default_factory=dict)
    unavailable: bool = False

    async def count_posts(self, user_id: UUID, at_most: int) -> int:
        self._answer()
        return min(at_most, len({act.post_id for act in self.interactions if act.user_id == user_id}))

    async def read(self, user_id: UUID) -> History:
        self._answer()
        self.generation += 1
        own = [act for act in self.interactions if act.user_id == user_id]
        newest = max((act.created_at for act in self.interactions), default=self.clock.now())
        return History(
            user_id=user_id,
            interactions=tuple(sorted(own, key=lambda act: act.created_at)),
            generation=self.generation,
            data_now=min(self.clock.now(), newest),
            epoch=self.epoch,
            sequence=self.sequences.get(user_id, 0),
        )

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
