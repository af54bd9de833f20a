"""What each worker process holds beside its model, told to Prometheus."""

from typing import Literal

from prometheus_client import CollectorRegistry, Gauge

from core.infrastructure.live_tail import TailLevels


class TailMetrics:
    """Of several processes the one that is worst off is told."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._held = _gauge(registry, "interactions", "Interactions that count beside the model's, the fewest.", "min")
        self._dropped = _gauge(
            registry, "dropped_interactions", "Interactions since the model's that were too many to hold.", "max"
        )
        self._newest = _gauge(
            registry, "newest_interaction_timestamp_seconds", "When the newest one that counts happened.", "min"
        )
        self._read = _gauge(
            registry, "read_timestamp_seconds", "When interactions were last read, by the clock of Postgres.", "min"
        )

    def told(self, levels: TailLevels) -> None:
        """What is held after a reading."""
        self._held.set(levels.held)
        self._dropped.set(levels.dropped)
        for gauge, moment in ((self._newest, levels.newest_at), (self._read, levels.read_at)):
            if moment is not None:
                gauge.set(moment.timestamp())


def _gauge(registry: CollectorRegistry, name: str, documentation: str, worst: Literal["min", "max"]) -> Gauge:
    return Gauge(f"threads_ml_tail_{name}", documentation, registry=registry, multiprocess_mode=worst)
