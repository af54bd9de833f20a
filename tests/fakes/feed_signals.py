"""Signals inside one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(eq=False)
class FakeListening:
    """Hears `event`, until `signals` are ended."""

    signals: "FakeFeedSignals"
    event: asyncio.Event = field(default_factory=asyncio.Event)

    async def heard(self, timeout_seconds: float) -> bool:
        if self.signals.is_over:
            return False
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return not self.signals.is_over


@dataclass
class FakeFeedSignals:
    """`send` is what a cache does after a put; while `unavailable` is set, signals are lost."""

    ears: dict[UUID, set[FakeListening]] = field(default_factory=dict)
    somebody_listens: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False
    unavailable: bool = False

    @asynccontextmanager
    async def listen(self, user_id: UUID) -> AsyncIterator[FakeListening]:
        ear = FakeListening(self)
        self.ears.setdefault(user_id, set()).add(ear)
        self.somebody_listens.set()
        try:
            yield ear
        finally:
            self.ears[user_id].remove(ear)
            if not self.ears[user_id]:
                del self.ears[user_id]

    async def send(self, user_id: UUID) -> None:
        if self.unavailable:
            return
        for ear in self.ears.get(user_id, ()):
            ear.event.set()

    def wake_all(self) -> None:
        """End all waiting for good, as a process does that is about to stop."""
        self.is_over = True
        for ears in self.ears.values():
            for ear in ears:
                ear.event.set()
