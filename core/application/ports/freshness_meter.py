"""How long it takes until what users do counts."""

from typing import Protocol


class FreshnessMeter(Protocol):
    """Counts durations in seconds; costs next to nothing and never fails."""

    def noticed(self, seconds: float) -> None:
        """From an interaction's time to its being read from the table."""
        ...

    def renewed(self, seconds: float) -> None:
        """From a user's latest change to the stored feed that knows of it."""
        ...
