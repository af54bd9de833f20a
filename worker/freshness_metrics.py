"""How long it takes until what users do counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Histogram

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3600.0)


class FreshnessMetrics:
    """Two histograms. A time ahead of ours counts as none at all."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._noticed = Histogram(
            "threads_ml_interaction_lag_seconds",
            "Time from an interaction that the app wrote to its being read.",
            registry=registry,
            buckets=SECONDS,
        )
        self._renewed = Histogram(
            "threads_ml_feed_lag_seconds",
            "Time from a user's latest change to the stored feed that knows of it.",
            registry=registry,
            buckets=SECONDS,
        )

    def noticed(self, seconds: float) -> None:
        """An interaction has been read."""
        self._noticed.observe(max(0.0, seconds))

    def renewed(self, seconds: float) -> None:
        """A feed has been stored that knows of its user's latest change."""
        self._renewed.observe(max(0.0, seconds))
