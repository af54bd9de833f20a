"""Sequences in a dict."""

from dataclasses import dataclass, field
from uuid import UUID

from core.application.ports.user_sequences import LatestSequence
from core.domain.errors import ArchiveUnavailable


@dataclass
class FakeUserSequences:
    """`of_all` is the last number drawn."""

    sequences: dict[UUID, int] = field(default_factory=dict)
    of_all: int = 0
    unavailable: bool = False

    async def latest(self, user_id: UUID) -> LatestSequence:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
        return LatestSequence(self.sequences.get(user_id, 0), max(self.of_all, *self.sequences.values(), 0))
