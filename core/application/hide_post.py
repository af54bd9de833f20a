"""Say whether and until when a post may be served."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.application.ports.hidden_posts import HiddenPosts
from core.application.ports.post_signals import PostSignals
from core.application.ports.post_states import PostStates
from core.domain.post_state import PostState


@dataclass(frozen=True, slots=True)
class HidePost:
    """Kept first; then this process knows before the caller is answered, and the others are told."""

    posts: PostStates
    hidden_posts: HiddenPosts
    signals: PostSignals

    async def __call__(self, post_id: UUID, *, hidden: bool, expires_at: datetime | None) -> PostState:
        """What is said of the post now. Said twice it is the same. Raises ArchiveUnavailable: nothing has changed."""
        state = await self.posts.put(post_id, hidden=hidden, expires_at=expires_at)
        await self.hidden_posts.catch_up()
        await self.signals.send_posts_changed()
        return state
