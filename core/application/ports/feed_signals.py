"""Hints that a user's feed is worth another look."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID


class Listening(Protocol):
    """One caller's open ear for one user."""

    async def heard(self, timeout_seconds: float) -> bool:
        """Wait for a signal sent since listening began; False when the time is over. Never raises for a lost link."""
        ...


class FeedSignals(Protocol):
    """May lose a signal (then the caller waits its whole patience), never the feed; leaving closes the ear."""

    def listen(self, user_id: UUID) -> AbstractAsyncContextManager[Listening]:
        """From entering on, no signal for the user is missed while the link holds."""
        ...

    async def send(self, user_id: UUID) -> None:
        """Let everybody who listens for the user look again, in whatever process; lost while the link is away."""
        ...
