"""Whether this process wants requests."""

from enum import StrEnum

from core.domain.errors import Unavailable


class Phase(StrEnum):
    """The three parts of a web process's life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class NotReady(Unavailable):
    """The process is up, but requests should go elsewhere."""


class Readiness:
    """Phases follow each other in one direction."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING

    def begin_serving(self) -> None:
        """Everything is open, and the popular feed has been asked for once."""
        self.phase = Phase.READY

    def begin_draining(self) -> None:
        """Requests in hand are finished; no new ones, please."""
        self.phase = Phase.DRAINING

    def check(self) -> None:
        """Raise NotReady in any phase but the middle one."""
        if self.phase is not Phase.READY:
            raise NotReady(f"the process is {self.phase}: send requests elsewhere")
