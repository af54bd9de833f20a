"""Ticks that a test names."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class FakeTicks:
    """The moments, in order."""

    moments: list[datetime] = field(default_factory=list)

    def newest(self, now: datetime) -> datetime | None:
        return max((moment for moment in self.moments if moment <= now), default=None)

    def next(self, now: datetime) -> datetime | None:
        return min((moment for moment in self.moments if moment > now), default=None)
