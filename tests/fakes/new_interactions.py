"""New interactions in a list."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from core.application.ports.new_interactions import Reading
from core.domain.user_change import UserChange
from tests.fakes.due_users import FakeDueUsers


@dataclass
class FakeNewInteractions:
    """`written`, half a second ago, waits to be read; at the block's end its users are due in `due_users`."""

    due_users: FakeDueUsers
    written: list[UserChange] = field(default_factory=list)
    told_at_most: int = 100
    is_read_by_another: bool = False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading | None]:
        if self.is_read_by_another:
            yield None
            return
        is_whole = len(self.written) <= self.told_at_most
        yield Reading(list(self.written) if is_whole else [], is_whole, [0.5] * len(self.written))
        self.due_users.due |= {change.user_id for change in self.written}
        self.written.clear()
