"""How much waits to be generated, how fast that goes, and so when it is worth coming back."""

import math
from dataclasses import dataclass

LONGEST_RETRY_SECONDS = 60
# While nobody knows better: after a pause, or when no worker has finished anything for a while.
LEAST_JOBS_A_SECOND = 1.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a queue had before it at one moment.

    waiting: jobs that no worker has taken yet; finished: jobs that ended lately; busy_seconds: in how many of those
    seconds any did, so that a pause does not count as slowness.
    """

    waiting: int = 0
    finished: int = 0
    busy_seconds: int = 0

    @property
    def retry_after_seconds(self) -> int:
        """How long all that waits will take at the recent speed, in whole seconds from 1 to 60."""
        speed = self.finished / self.busy_seconds if self.busy_seconds else 0.0
        seconds = math.ceil(self.waiting / max(speed, LEAST_JOBS_A_SECOND))
        return min(max(seconds, 1), LONGEST_RETRY_SECONDS)
