"""Durations in lists."""

from dataclasses import dataclass, field


@dataclass
class FakeFreshnessMeter:
    """Every duration that was counted, in seconds."""

    noticed_seconds: list[float] = field(default_factory=list)
    renewed_seconds: list[float] = field(default_factory=list)

    def noticed(self, seconds: float) -> None:
        self.noticed_seconds.append(seconds)

    def renewed(self, seconds: float) -> None:
        self.renewed_seconds.append(seconds)
