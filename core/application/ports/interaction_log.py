"""Where events are recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from core.domain.event import Event, Refusal


@dataclass(frozen=True, slots=True)
class Recorded:
    """Each user's sequence, also of those whose events were there already; how many were new; what is not recorded."""

    sequences: Mapping[UUID, int]
    added: int
    refusals: Sequence[Refusal] = ()


class InteractionLog(Protocol):
    """Records each event once, known by its id, and marks its user due in the same transaction.

    Raises ArchiveUnavailable: the events may have been recorded, and can be recorded again.
    """

    async def record(self, events: Sequence[Event], *, all_or_nothing: bool = False) -> Recorded:
        """Record those that may be; none where all_or_nothing and one may not. No two have the same id."""
        ...
