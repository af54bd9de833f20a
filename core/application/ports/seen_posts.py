"""The posts that users interacted with lately."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from core.domain.user_change import UserChange


class SeenPosts(Protocol):
    """May forget anything at any time; the newest posts of a user only. Raises CacheUnavailable."""

    async def add(self, changes: Sequence[UserChange]) -> None:
        """Remember these beside what is there; the higher sequence stays. What was added before may be added again."""
        ...

    async def get(self, user_id: UUID) -> UserChange | None:
        """What is remembered of the user."""
        ...
