"""The service's figures as Prometheus reads them, and what becomes of those that cannot be asked."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from core.domain.job import Queue
from core.domain.levels import QueueLevel
from core.infrastructure import prometheus_service_levels
from core.infrastructure.prometheus_service_levels import PrometheusServiceLevels
from tests.builders import NOON, Stage, feed_of, model_record_of, samples_of, stale_feed_of

Figures = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus_service_levels, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(prometheus_service_levels, "COUNT_FEEDS_SECONDS", 0.01)


@pytest.fixture
async def stage() -> Stage:
    """A model of noon, three feeds, and a message in the queue."""
    stage = Stage()
    stage.registry.models[1] = model_record_of()
    stage.registry.champion, stage.registry.epoch = 1, 3
    for feed in (feed_of("anna"), feed_of("ben"), stale_feed_of("cleo")):
        await stage.archive.put(feed)
    stage.due_users.due, stage.due_users.read_at = {UUID(int=1), UUID(int=2)}, NOON
    stage.queue_levels.levels[Queue.FEEDS] = QueueLevel(4, 1, 2, 12.5, 3, 2)
    return stage


async def figures_once(registry: CollectorRegistry, condition: Callable[[Figures], bool]) -> Figures:
    """What is told as soon as the condition holds."""
    deadline = asyncio.get_running_loop().time() + 10
    while not condition(figures := dict(samples_of(generate_latest(registry).decode()))):
        assert asyncio.get_running_loop().time() < deadline, figures
        await asyncio.sleep(0.005)
    return figures


def of(levels: PrometheusServiceLevels) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(levels)
    return registry


def is_whole(figures: Figures) -> bool:
    return {"threads_ml_feeds", "threads_ml_model_info"} <= {name for name, *_ in figures}


async def test_queues_model_and_feeds_are_told(stage: Stage) -> None:
    async with PrometheusServiceLevels(stage.measure_service) as levels:
        figures = await figures_once(of(levels), is_whole)

    assert figures["threads_ml_queue_messages", "feeds", "waiting"] == 4
    assert figures["threads_ml_queue_messages", "feeds", "delayed"] == 1
    assert figures["threads_ml_queue_messages", "feeds", "running"] == 2
    assert figures["threads_ml_queue_oldest_message_age_seconds", "feeds"] == 12.5
    assert figures["threads_ml_queue_oldest_message_age_seconds", "feeds-bulk"] == 0
    assert figures["threads_ml_dead_letters", "feeds"] == 3
    assert figures["threads_ml_workers_alive", "feeds"] == 2
    assert figures["threads_ml_model_info", "user_knn", "3", "collaborative_filtering_v1"] == 1
    assert figures["threads_ml_feeds", "fresh"] == 2
    assert figures["threads_ml_feeds", "stale"] == 1
    assert figures["threads_ml_due_users",] == 2


async def test_ages_are_those_of_the_scrape_not_of_the_look(stage: Stage) -> None:
    async with PrometheusServiceLevels(stage.measure_service) as levels:
        await figures_once(of(levels), is_whole)
        stage.clock.advance(90)
        figures = await figures_once(of(levels), is_whole)

    assert stage.clock.now() == NOON + timedelta(seconds=90)
    for name in ("model", "popular_feed", "oldest_feed", "interactions_read"):
        assert figures[f"threads_ml_{name}_age_seconds",] == 90


async def test_what_cannot_be_asked_any_more_is_told_no_more(stage: Stage) -> None:
    async with PrometheusServiceLevels(stage.measure_service) as levels:
        await figures_once(of(levels), is_whole)
        stage.queue_levels.unavailable = True
        figures = await figures_once(of(levels), lambda found: ("threads_ml_workers_alive", "feeds") not in found)
        stage.queue_levels.unavailable = False
        await figures_once(of(levels), lambda found: ("threads_ml_workers_alive", "feeds") in found)

    assert is_whole(figures)
