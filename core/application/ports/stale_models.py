"""Models whose feeds count as stale before they expire."""

from typing import Protocol


class StaleModels(Protocol):
    """Told from memory, a few seconds late at the most; while nobody can be asked the last answer stands."""

    def includes(self, model_version: str) -> bool:
        """Whether feeds of that model are stale whatever their age: it was withdrawn, or another one is pinned."""
        ...
