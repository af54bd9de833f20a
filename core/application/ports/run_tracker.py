"""Runs of training and tuning, kept to be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class RunKind(StrEnum):
    """What was run."""

    TRAINING = "training"
    TUNING = "tuning"


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What is worth comparing of one run.

    parameters: by name, mappings among them; metrics: one figure each; series: figures in order, of each window or
    trial; tags: words to look for; files: kept with the run as they are.
    """

    kind: RunKind
    name: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()


class RunTracker(Protocol):
    """Never fails what it tracks; a tracker that cannot be reached costs five seconds at the most."""

    async def track(self, run: TrackedRun) -> bool:
        """Whether the run was kept; why not is in the log."""
        ...
