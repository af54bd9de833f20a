"""Tell what the app has said about a post."""

from dataclasses import dataclass
from uuid import UUID

from core.application.ports.post_states import PostStates
from core.domain.errors import NotFound
from core.domain.post_state import PostState


@dataclass(frozen=True, slots=True)
class GetPost:
    """From the table itself, not from what this process holds."""

    posts: PostStates

    async def __call__(self, post_id: UUID) -> PostState:
        """Raises NotFound for a post of which nothing was ever said: it is served like any other."""
        state = await self.posts.get(post_id)
        if state is None:
            raise NotFound("nothing was said about this post: it is neither hidden nor does it expire")
        return state
