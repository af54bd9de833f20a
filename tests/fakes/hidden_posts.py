"""Hidden posts in a set that is changed by hand."""

from dataclasses import dataclass, field
from uuid import UUID

from core.domain.post_set import Posts


@dataclass
class FakeHiddenPosts:
    """`table` is what catching up finds, where a test has one."""

    posts: set[UUID] = field(default_factory=set)
    table: set[UUID] | None = None

    def current(self) -> Posts:
        return Posts(self.posts)

    async def catch_up(self) -> None:
        if self.table is not None:
            self.posts = set(self.table)
