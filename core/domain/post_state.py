"""What the app has said about a post."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PostState:
    """Whether a post is withheld, and from when on it is over; None: never. Moments are aware."""

    post_id: UUID
    hidden: bool = False
    expires_at: datetime | None = None

    def is_hidden(self, now: datetime) -> bool:
        """Whether the post must not be served at the moment."""
        return self.hidden or (self.expires_at is not None and self.expires_at <= now)
