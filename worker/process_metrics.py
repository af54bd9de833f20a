"""The processes of one worker command as one target of Prometheus."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from core.domain.job import Queue
from core.infrastructure.process_supervisor import ProcessSupervisor


def process_metrics(folder: Path, queue: Queue, supervisor: ProcessSupervisor) -> CollectorRegistry:
    """What the processes count in the folder, added up, and how often they had to be started again."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # the library's has no types here
    registry.register(_Restarts(queue, supervisor))
    return registry


class _Restarts(Collector):
    def __init__(self, queue: Queue, supervisor: ProcessSupervisor) -> None:
        self._queue = queue
        self._supervisor = supervisor

    def collect(self) -> Iterable[Metric]:
        """One counter."""
        restarts = CounterMetricFamily(
            "threads_ml_worker_restarts", "Worker processes that were started again.", labels=["queue"]
        )
        restarts.add_metric([self._queue.value], self._supervisor.restart_count)
        yield restarts
