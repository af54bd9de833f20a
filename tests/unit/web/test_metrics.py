"""What a web process tells Prometheus of its answers."""

from dataclasses import dataclass

import pytest
from prometheus_client import generate_latest

from core.domain.feed import FeedSource
from core.settings import Settings
from tests.builders import Stage, free_port, samples_of
from tests.integration.web.serving import use_cases_of
from web.metrics import NO_SOURCE, WebMetrics, open_metrics


@dataclass
class SomeBreaker:
    """In any state."""

    server: str
    state: str


def figures_of(metrics: WebMetrics) -> dict[tuple[str, ...], float]:
    return dict(samples_of(generate_latest(metrics.registry).decode()))


def test_answers_are_counted_by_source_and_status_with_their_time() -> None:
    metrics = WebMetrics()

    for source, status, seconds in (("cache", 200, 0.002), ("cache", 200, 0.2), ("generated", 200, 1.0)):
        metrics.answered(source, status, seconds)
    metrics.answered(NO_SOURCE, 404, 0.001)

    figures = figures_of(metrics)
    name = "threads_ml_request_duration_seconds"
    assert figures[f"{name}_count", "cache", "200"] == 2
    assert figures[f"{name}_sum", "cache", "200"] == pytest.approx(0.202)
    assert figures[f"{name}_bucket", "0.0025", "cache", "200"] == 1
    assert figures[f"{name}_count", "none", "404"] == 1


def test_feeds_from_the_cache_are_hits_and_all_others_misses() -> None:
    metrics = WebMetrics()

    for source in FeedSource:
        metrics.answered(source, 200, 0.001)
    metrics.answered(FeedSource.CACHE, 304, 0.001)
    metrics.answered(NO_SOURCE, 200, 0.001)

    figures = figures_of(metrics)
    assert figures["threads_ml_cache_hits_total",] == 2
    assert figures["threads_ml_cache_misses_total",] == 4


async def test_waiters_and_open_breakers_are_told() -> None:
    stage, metrics = Stage(), WebMetrics()
    breakers = (SomeBreaker("redis", "open"), SomeBreaker("postgres", "closed"))
    settings = Settings(metrics_port=free_port())

    async with open_metrics(metrics, use_cases_of(stage), settings, breakers):
        with stage.waiting_room.seat():
            waiting = figures_of(metrics)
        afterwards = figures_of(metrics)

    assert waiting["threads_ml_waiters",] == 1
    assert afterwards["threads_ml_waiters",] == 0
    assert afterwards["threads_ml_breaker_open", "redis"] == 1
    assert afterwards["threads_ml_breaker_open", "postgres"] == 0


async def test_with_port_0_nothing_is_measured() -> None:
    stage, metrics = Stage(), WebMetrics()
    stage.queue_levels.unavailable = True

    async with open_metrics(metrics, use_cases_of(stage), Settings(metrics_port=0)):
        assert ("threads_ml_waiters",) not in figures_of(metrics)
