"""Histories of many users, out of those of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.domain.history import History
from tests.fakes.interaction_history import FakeInteractionHistory


@dataclass(frozen=True)
class FakeHistoryBatch:
    """Plain histories."""

    histories: Sequence[History]
    generation: int
    epoch: int


@dataclass
class FakeHistoryBatches:
    """Reads one history after the other; the batch has the last generation drawn."""

    history: FakeInteractionHistory = field(default_factory=FakeInteractionHistory)

    async def read(self, user_ids: Sequence[UUID]) -> FakeHistoryBatch:
        histories = [await self.history.read(user_id) for user_id in user_ids]
        return FakeHistoryBatch(histories, self.history.generation, self.history.epoch)
