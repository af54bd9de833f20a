"""How many callers of one process wait for a feed at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager


class WaitingRoom:
    """Whoever finds no seat is told to come back instead: waiting must not use up what answering needs."""

    def __init__(self, seats: int) -> None:
        self._seats = self._free = seats

    @property
    def taken(self) -> int:
        """Callers who wait at this moment."""
        return self._seats - self._free

    @contextmanager
    def seat(self) -> Iterator[bool]:
        """Whether there is one, kept until the block ends."""
        has_seat = self._free > 0
        self._free -= has_seat
        try:
            yield has_seat
        finally:
            self._free += has_seat
