"""What a web process counts, for Prometheus."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.domain.feed import FeedSource
from core.infrastructure.metrics_endpoint import metrics_served
from core.infrastructure.prometheus_service_levels import PrometheusServiceLevels
from core.settings import Settings
from web.wiring import UseCases

NO_SOURCE = "none"
OPEN = "open"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Breaker(Protocol):
    """Leaves a server alone that does not answer."""

    @property
    def server(self) -> str: ...

    @property
    def state(self) -> str: ...


class WebMetrics:
    """Answers by where they came from, and how long they took; costs a request about a microsecond."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._durations = Histogram(
            "threads_ml_request_duration_seconds",
            "Time to answer a request, waiting for a feed included.",
            ["source", "status"],
            registry=self.registry,
            buckets=SECONDS,
        )
        self._children: dict[tuple[str, int], Histogram] = {}
        self.registry.register(_CacheAnswers(self._durations))
        ProcessCollector(registry=self.registry)

    def answered(self, source: str, status: int, seconds: float) -> None:
        """A request is answered."""
        child = self._children.get((source, status))
        if child is None:
            # Looking it up by its labels would take as long as counting.
            child = self._children[source, status] = self._durations.labels(source, status)
        child.observe(seconds)


@asynccontextmanager
async def open_metrics(
    metrics: WebMetrics, use_cases: UseCases, settings: Settings, breakers: Iterable[Breaker] = ()
) -> AsyncIterator[None]:
    """Measure the service in the background and serve all figures inside the block, unless METRICS_PORT is 0."""
    if not settings.metrics_port:
        yield
        return
    waiters = Gauge("threads_ml_waiters", "Callers who wait for their feed at this moment.", registry=metrics.registry)
    waiters.set_function(lambda: use_cases.recommend_posts.waiting_room.taken)
    metrics.registry.register(_Breakers(breakers))
    async with PrometheusServiceLevels(use_cases.measure_service) as levels:
        metrics.registry.register(levels)
        async with metrics_served(metrics.registry, settings.metrics_host, settings.metrics_port):
            yield


class _CacheAnswers(Collector):
    """Hits and misses, which the sources of the answers tell already."""

    def __init__(self, durations: Histogram) -> None:
        self._durations = durations

    def collect(self) -> Iterator[Metric]:
        hits = misses = 0.0
        for metric in self._durations.collect():
            for sample in metric.samples:
                source = sample.labels["source"]
                is_count = sample.name.endswith("_count")
                hits += sample.value * (is_count and source == FeedSource.CACHE)
                misses += sample.value * (is_count and source not in {FeedSource.CACHE, NO_SOURCE})
        yield CounterMetricFamily("threads_ml_cache_hits", "Feeds that the cache had, fresh.", value=hits)
        yield CounterMetricFamily("threads_ml_cache_misses", "Feeds that came from elsewhere.", value=misses)


class _Breakers(Collector):
    def __init__(self, breakers: Iterable[Breaker]) -> None:
        self._breakers = tuple(breakers)

    def collect(self) -> Iterator[Metric]:
        opened = GaugeMetricFamily("threads_ml_breaker_open", "1: the server is left alone.", labels=["server"])
        for breaker in self._breakers:
            opened.add_metric([breaker.server], breaker.state == OPEN)
        if self._breakers:
            yield opened
