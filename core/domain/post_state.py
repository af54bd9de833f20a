"""What the app has said about a post."""

from dataclasses import dataclass
from datetime import datetime
from math import inf
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PostState:
    """Whether a post is withheld, and from when on it is over; None: never. Moments are aware."""

    post_id: UUID
    hidden: bool = False
    expires_at: datetime | None = None

    @property
    def hidden_from(self) -> float:
        """Seconds since 1970 from when on the post must not be served: -inf for always, inf for never."""
        if self.hidden:
            return -inf
        return inf if self.expires_at is None else self.expires_at.timestamp()
