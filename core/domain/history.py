"""What a user has done so far, as one job reads it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from core.domain.interaction import Interaction, InteractionType


@dataclass(frozen=True, slots=True)
class History:
    """A user's interactions in one snapshot of the database, oldest first.

    `generation` was drawn from the sequence in that very snapshot; `data_now` is min(now, anyone's newest interaction);
    `epoch` is that of the champion at that moment; `sequence` the number of the user's latest change, 0 for none.
    """

    user_id: UUID
    interactions: tuple[Interaction, ...]
    generation: int
    data_now: datetime
    epoch: int = 0
    sequence: int = 0

    def of_session(self, post_ids: Sequence[UUID]) -> "History":
        """The same moment seen by somebody who has liked these posts, the latest first, one a second."""
        liked = [
            Interaction(self.user_id, post_id, InteractionType.LIKE, self.data_now - timedelta(seconds=place))
            for place, post_id in enumerate(post_ids)
        ]
        return replace(self, interactions=tuple(reversed(liked)))

    @property
    def built_up_to(self) -> datetime | None:
        """The moment of the newest interaction, None where there is none."""
        return self.interactions[-1].created_at if self.interactions else None

    @property
    def post_ids(self) -> frozenset[UUID]:
        """The distinct posts the user has interacted with."""
        return frozenset(interaction.post_id for interaction in self.interactions)


class HistoryBatch(Protocol):
    """The histories of many users in one snapshot; what else it holds only adapters know, which keep it in arrays.

    `generation` and `epoch` are as in a history, the same for all of them.
    """

    @property
    def generation(self) -> int: ...

    @property
    def epoch(self) -> int: ...
