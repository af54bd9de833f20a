"""What became of jobs and how long they took, counted for Prometheus in files that survive the process."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import prometheus_client.values
import structlog
from dramatiq import Broker, MessageProxy, Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.values import MultiProcessValue

# prometheus_client's own name, and ours for which of the worker's processes this is.
FOLDER_VARIABLE, SLOT_VARIABLE = "PROMETHEUS_MULTIPROC_DIR", "THREADS_ML_WORKER_SLOT"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def environment_of_process(folder: Path, slot: int) -> Mapping[str, str]:
    """The environment of one of the processes that count in the folder."""
    return {FOLDER_VARIABLE: str(folder), SLOT_VARIABLE: str(slot)}


def open_registry(environment: Mapping[str, str]) -> CollectorRegistry:
    """A registry that counts in the environment's folder, if it names one, else in this process alone.

    Files are named after the slot, not the process: one that is started again goes on where the last one died.
    """
    slot, folder = environment.get(SLOT_VARIABLE), environment.get(FOLDER_VARIABLE)
    if slot is not None and folder:
        Path(folder).mkdir(exist_ok=True)  # a machine may remove what has lain in /tmp for long
        prometheus_client.values.ValueClass = MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]  # untyped
    return CollectorRegistry()


class JobMetrics:
    """Jobs by queue: outcomes, seconds at work, seconds in the queue before the first attempt."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._outcomes = Counter(
            "threads_ml_jobs", "Attempts at jobs, by what became of them.", ["queue", "outcome"], registry=registry
        )
        self._durations = Histogram(
            "threads_ml_job_duration_seconds",
            "Time that attempts at jobs took.",
            ["queue"],
            registry=registry,
            buckets=SECONDS,
        )
        self._waits = Histogram(
            "threads_ml_job_wait_seconds",
            "Time that jobs waited for a worker.",
            ["queue"],
            registry=registry,
            buckets=SECONDS,
        )

    def began(self, queue: str, waited_seconds: float) -> None:
        """A worker has a job for the first time."""
        self._waits.labels(queue).observe(waited_seconds)

    def ended(self, queue: str, outcome: str, seconds: float) -> None:
        """An attempt is over."""
        self._outcomes.labels(queue, outcome).inc()
        self._durations.labels(queue).observe(seconds)

    def skipped(self, queue: str) -> None:
        """A job was too old to begin with."""
        self._outcomes.labels(queue, "too_old").inc()


class MeteredJobs(Middleware):
    """Stands before Retries in the middleware: after an attempt it knows whether that was the last."""

    def __init__(self, metrics: JobMetrics) -> None:
        self._metrics = metrics
        self._thread = threading.local()

    def before_process_message(self, _: Broker, message: MessageProxy) -> None:
        """Look at the clock, and let the job's log lines tell how long it has waited."""
        self._thread.began = time.perf_counter()
        waited_seconds = max(0.0, time.time() - message.message_timestamp / 1000)
        structlog.contextvars.bind_contextvars(queued_ms=round(waited_seconds * 1000, 1))
        if not message.options.get("retries"):
            self._metrics.began(message.queue_name, waited_seconds)

    def after_process_message(
        self,
        _: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Count the attempt."""
        seconds = time.perf_counter() - getattr(self._thread, "began", time.perf_counter())
        self._metrics.ended(message.queue_name, _outcome(message, result, exception), seconds)
        structlog.contextvars.unbind_contextvars("queued_ms")

    def after_skip_message(self, _: Broker, message: MessageProxy) -> None:
        """Count what nobody waits for any more."""
        self._metrics.skipped(message.queue_name)


def _outcome(message: MessageProxy, result: object, exception: BaseException | None) -> str:
    if exception is None:
        return str(result)
    return "given_up" if message.failed else "failed"
