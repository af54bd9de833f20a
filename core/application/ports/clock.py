"""The time of day."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the real now, aware, in UTC; it may jump, so it decides expiry and nothing else."""

    def now(self) -> datetime: ...
