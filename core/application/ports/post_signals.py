"""Hints that posts have been hidden or shown again."""

from typing import Protocol


class PostSignals(Protocol):
    """May be lost: who does not hear it looks by himself, half a second later at the most. Never fails."""

    async def send_posts_changed(self) -> None:
        """Let every process look at once what is hidden."""
        ...
