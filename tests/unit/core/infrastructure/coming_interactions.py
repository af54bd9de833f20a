"""A table of interactions into which some come between readings."""

from dataclasses import dataclass, field
from datetime import datetime

from core.domain.errors import ArchiveUnavailable
from core.infrastructure.interaction_arrays import InteractionArrays
from core.infrastructure.postgres_interaction_tail import TailPosition, TailRead, Unheard
from tests.fakes.clock import FakeClock


@dataclass
class ComingInteractions:
    """`coming`: what each reading finds in turn, nothing at last; `asked`: the positions that were read from."""

    nothing: InteractionArrays
    coming: list[InteractionArrays] = field(default_factory=list)
    histories: InteractionArrays | None = None
    unavailable: bool = False
    asked: list[TailPosition] = field(default_factory=list)

    async def read(self, position: TailPosition, fallback: datetime, unheard: Unheard) -> TailRead:
        self.asked.append(position)
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer")
        acts = self.coming.pop(0) if self.coming else self.nothing
        heard = self.histories if self.histories is not None and len(unheard(acts.user_keys)) else self.nothing
        now = FakeClock().now()
        return TailRead(acts, heard, TailPosition(f"{len(self.asked)}:{len(self.asked)}:", now), now)
