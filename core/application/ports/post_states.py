"""What the app has said about its posts."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.post_state import PostState


class PostStates(Protocol):
    """Kept for good. Raises ArchiveUnavailable."""

    async def put(self, post_id: UUID, *, hidden: bool, expires_at: datetime | None) -> PostState:
        """Replace what was said of the post; what is kept of it."""
        ...

    async def get(self, post_id: UUID) -> PostState | None:
        """What was said of the post last, None where nothing ever was."""
        ...
