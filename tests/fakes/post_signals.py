"""Signals about posts, counted."""

from dataclasses import dataclass


@dataclass
class FakePostSignals:
    """Nobody listens but the test."""

    count: int = 0

    async def send_posts_changed(self) -> None:
        self.count += 1
