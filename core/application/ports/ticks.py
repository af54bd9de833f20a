"""The moments at which something is to be done."""

from datetime import datetime
from typing import Protocol


class Ticks(Protocol):
    """The same moments whenever they are asked for, in UTC; None where there is none in sight."""

    def newest(self, now: datetime) -> datetime | None:
        """The last one that is not after now."""
        ...

    def next(self, now: datetime) -> datetime | None:
        """The first one after now."""
        ...
