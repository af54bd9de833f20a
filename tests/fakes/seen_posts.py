"""Seen posts in a dict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.domain.errors import CacheUnavailable
from core.domain.user_change import SEEN_AT_MOST, UserChange


@dataclass
class FakeSeenPosts:
    """`held` is what was added: of each user one change."""

    held: dict[UUID, UserChange] = field(default_factory=dict)
    unavailable: bool = False

    async def add(self, changes: Sequence[UserChange]) -> None:
        self._answer()
        for change in changes:
            before = self.held.get(change.user_id, UserChange(change.user_id, 0, ()))
            posts = tuple(dict.fromkeys((*change.post_ids, *before.post_ids)))[:SEEN_AT_MOST]
            self.held[change.user_id] = UserChange(change.user_id, max(change.sequence, before.sequence), posts)

    async def get(self, user_id: UUID) -> UserChange | None:
        self._answer()
        return self.held.get(user_id)

    def _answer(self) -> None:
        if self.unavailable:
            raise CacheUnavailable("Redis does not answer: it is a fake")
