"""How many callers of one process wait for a feed at the same time, and how they do it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from core.application.ports.feed_signals import Listening

Seen = TypeVar("Seen")


class WaitingRoom:
    """Whoever finds no seat is told to come back instead: waiting must not use up what answering needs."""

    def __init__(self, seats: int) -> None:
        self._seats = self._free = seats

    @property
    def taken(self) -> int:
        """Callers who wait at this moment."""
        return self._seats - self._free

    async def awaited(
        self,
        listening: Listening,
        wait_seconds: float,
        look: Callable[[], Awaitable[Seen]],
        will_do: Callable[[Seen], bool],
    ) -> Seen:
        """Look at each signal, and once more at the end: a signal may be lost, or be about another feed."""
        with self.seat() as has_seat:
            now = asyncio.get_running_loop().time
            deadline = now() + (wait_seconds if has_seat else 0)
            while (remaining := deadline - now()) > 0 and await listening.heard(remaining):
                seen = await look()
                if will_do(seen):
                    return seen
        return await look()

    @contextmanager
    def seat(self) -> Iterator[bool]:
        """Whether there is one, kept until the block ends."""
        has_seat = self._free > 0
        self._free -= has_seat
        try:
            yield has_seat
        finally:
            self._free += has_seat
