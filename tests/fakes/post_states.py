"""What the app has said about posts, in a dict."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.domain.errors import ArchiveUnavailable
from core.domain.post_state import PostState


@dataclass
class FakePostStates:
    """Away while `unavailable` is set."""

    states: dict[UUID, PostState] = field(default_factory=dict)
    unavailable: bool = False

    async def put(self, post_id: UUID, *, hidden: bool, expires_at: datetime | None) -> PostState:
        self._answer()
        self.states[post_id] = PostState(post_id, hidden, expires_at)
        return self.states[post_id]

    async def get(self, post_id: UUID) -> PostState | None:
        self._answer()
        return self.states.get(post_id)

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
