"""How the service stands, for Prometheus: asked in the background, so that no scrape waits for a server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

import structlog
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.application.measure_service import MeasureService
from core.domain.job import Queue
from core.domain.levels import DueLevel, FeedStock, QueueLevel, Serves, ServiceLevels
from core.infrastructure.task_ending import end_task

LOOK_SECONDS = 15.0
COUNT_FEEDS_SECONDS = 60.0
LOOK_TIMEOUT_SECONDS = 12.0

Part = TypeVar("Part")


class PrometheusServiceLevels(Collector):
    """What could not be asked last time is not told at all: a figure of before would look like one of now."""

    def __init__(self, measure: MeasureService) -> None:
        self._measure = measure
        self._levels = ServiceLevels()
        self._looking: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._looking = [
            asyncio.create_task(_repeated(LOOK_SECONDS, self._look)),
            asyncio.create_task(_repeated(COUNT_FEEDS_SECONDS, self._count_feeds)),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._looking:
            await end_task(task)

    def collect(self) -> Iterator[Metric]:
        """The figures of the last look, ages as they are now."""
        levels, now = self._levels, self._measure.clock.now()
        if levels.queues is not None:
            yield from _of_queues(levels.queues.items())
        if levels.serves is not None:
            yield from _of_what_serves(levels.serves, now)
        if levels.feeds is not None:
            yield from _of_feeds(levels.feeds, now)
        if levels.due is not None:
            yield from _of_due(levels.due, now)

    async def _look(self) -> None:
        queues, serves = await _in_time(self._measure.queues()), await _in_time(self._measure.serves())
        due = await _in_time(self._measure.due())
        self._levels = replace(self._levels, queues=queues, serves=serves, due=due)

    async def _count_feeds(self) -> None:
        feeds = await _in_time(self._measure.feeds())
        self._levels = replace(self._levels, feeds=feeds)


async def _repeated(every_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:
            # A mistake of ours: it is logged each time, and must not make this look the last.
            structlog.get_logger().exception("levels_not_measured")
        await asyncio.sleep(every_seconds)


async def _in_time(asked: Awaitable[Part | None]) -> Part | None:
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
            return await asked
    except TimeoutError:
        return None


def _of_queues(levels: Iterable[tuple[Queue, QueueLevel]]) -> Iterator[Metric]:
    messages = GaugeMetricFamily(
        "threads_ml_queue_messages", "Messages by what they wait for.", labels=["queue", "state"]
    )
    oldest = GaugeMetricFamily(
        "threads_ml_queue_oldest_message_age_seconds",
        "How long the message at the head of the queue has waited for a worker, 0 where none waits.",
        labels=["queue"],
    )
    dead = GaugeMetricFamily("threads_ml_dead_letters", "Jobs that failed for good.", labels=["queue"])
    workers = GaugeMetricFamily("threads_ml_workers_alive", "Worker processes alive.", labels=["queue"])
    for queue, level in levels:
        for state in ("waiting", "delayed", "running"):
            messages.add_metric([queue.value, state], getattr(level, state))
        oldest.add_metric([queue.value], level.oldest_waiting_seconds or 0.0)
        dead.add_metric([queue.value], level.dead_letters)
        workers.add_metric([queue.value], level.workers_alive)
    yield from (messages, oldest, dead, workers)


def _of_what_serves(serves: Serves, now: datetime) -> Iterator[Metric]:
    model = serves.serving.model
    if model is not None:
        labels = {"version": model.version, "algorithm": model.algorithm, "epoch": str(serves.serving.epoch)}
        yield InfoMetricFamily("threads_ml_model", "The model that serves.", value=labels)
        yield _age(
            "threads_ml_model_age_seconds", "Time since the model that serves was trained.", model.trained_at, now
        )
    if serves.popular_computed_at is not None:
        counted_at = serves.popular_computed_at
        yield _age("threads_ml_popular_feed_age_seconds", "Time since popular posts were counted.", counted_at, now)


def _of_feeds(stock: FeedStock, now: datetime) -> Iterator[Metric]:
    feeds = GaugeMetricFamily("threads_ml_feeds", "Stored feeds.", labels=["state"])
    feeds.add_metric(["fresh"], stock.fresh)
    feeds.add_metric(["stale"], stock.stale)
    yield feeds
    if stock.oldest_generated_at is not None:
        oldest = stock.oldest_generated_at
        yield _age(
            "threads_ml_oldest_feed_age_seconds", "Time since the oldest stored feed was generated.", oldest, now
        )


def _of_due(due: DueLevel, now: datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "threads_ml_due_users", "Users whose stored feed does not know of their latest interactions.", value=due.users
    )
    if due.read_at is not None:
        read_at = due.read_at
        yield _age("threads_ml_interactions_read_age_seconds", "Time since interactions were looked for.", read_at, now)


def _age(name: str, documentation: str, since: datetime, now: datetime) -> Metric:
    return GaugeMetricFamily(name, documentation, value=(now - since) / timedelta(seconds=1))
