"""Runs that nobody wants to be kept."""

from core.application.ports.run_tracker import TrackedRun


class UntrackedRuns:
    """Stands in for a tracker where TRACK_RUNS is false."""

    async def track(self, run: TrackedRun) -> bool:  # noqa: ARG002 - the port's signature
        """Keep nothing."""
        return False
