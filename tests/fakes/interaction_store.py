"""Interactions in a set."""

from collections.abc import AsyncIterator, Hashable, Iterable
from dataclasses import dataclass, field


@dataclass
class FakeInteractionStore:
    """Takes batches of anything that can be in a set; two equal ones are one interaction."""

    kept: set[Hashable] = field(default_factory=set)

    async def add_all(self, batches: AsyncIterator[Iterable[Hashable]]) -> int:
        staged: set[Hashable] = set()
        async for batch in batches:
            staged.update(batch)
        new = staged - self.kept
        self.kept |= new
        return len(new)
