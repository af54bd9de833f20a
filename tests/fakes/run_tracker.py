"""Tracked runs in a list."""

from dataclasses import dataclass, field

from core.application.ports.run_tracker import TrackedRun


@dataclass
class FakeRunTracker:
    """With `is_away` nothing is kept."""

    runs: list[TrackedRun] = field(default_factory=list)
    is_away: bool = False

    async def track(self, run: TrackedRun) -> bool:
        if not self.is_away:
            self.runs.append(run)
        return not self.is_away
