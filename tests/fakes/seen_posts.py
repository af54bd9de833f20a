"""Seen posts in a dict."""

import asyncio
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

    def get(self, user_id: UUID) -> "asyncio.Future[UserChange | None]":
        asked: asyncio.Future[UserChange | None] = asyncio.get_running_loop().create_future()
        if self.unavailable:
            asked.set_exception(CacheUnavailable("Redis does not answer: it is a fake"))
            asked.exception()
        else:
            asked.set_result(self.held.get(user_id))
        return asked

    def _answer(self) -> None:
        if self.unavailable:
            raise CacheUnavailable("Redis does not answer: it is a fake")
