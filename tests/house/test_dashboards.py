"""What the dashboard and the alerts ask for is what web and worker tell, and what the operator's page explains."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from core.domain.job import Queue
from core.infrastructure.live_tail import TailLevels
from core.infrastructure.process_supervisor import ProcessSupervisor
from core.settings import Settings
from tests.builders import NOON, Stage, free_port, model_record_of, stale_feed_of
from tests.house.test_house_rules import headings
from tests.house.tree import ROOT
from tests.integration.web.serving import use_cases_of
from tests.unit.core.infrastructure.test_prometheus_service_levels import figures_once, is_whole
from tests.unit.web.test_metrics import SomeBreaker
from web.metrics import WebMetrics, open_metrics
from worker.freshness_metrics import FreshnessMetrics
from worker.job_metrics import JobMetrics
from worker.process_metrics import process_metrics
from worker.tail_metrics import TailMetrics

DASHBOARD: dict[str, Any] = json.loads((ROOT / "docs" / "grafana" / "threads-ml.json").read_text())
RULES: list[dict[str, Any]] = YAML(typ="safe").load((ROOT / "docs" / "prometheus" / "alerts.yml").read_text())[
    "groups"
][0]["rules"]
OPERATIONS = ROOT / "docs" / "operations.md"
# The thresholds of `status --check`, by the alert that calls for the same.
THRESHOLDS = {
    "JobsWait": Settings().check_oldest_message_seconds,
    "Backlog": Settings().check_backlog,
    "DeadLetters": Settings().check_dead_letters,
    "PopularFeedIsOld": Settings().check_popular_age_seconds,
    "FeedsAreStale": Settings().check_stale_share,
}

Labels = dict[str, set[str]]
"""By name of a sample, the names of its labels."""


@pytest.fixture
async def told(tmp_path: Path) -> Labels:
    """What a web process and a worker tell that have seen everything."""
    worker = CollectorRegistry()
    jobs = JobMetrics(worker)
    jobs.began("feeds", 0.1)
    jobs.ended("feeds", "feed_stored", 0.1)
    TailMetrics(worker).told(TailLevels(1, 0, NOON, NOON))
    freshness = FreshnessMetrics(worker)
    freshness.noticed(0.1)
    freshness.renewed(0.1)
    supervisor = process_metrics(tmp_path, Queue.FEEDS, ProcessSupervisor())
    samples = [*_samples(worker), *_samples(supervisor), *_samples(await _web())]
    return {sample.name: set(sample.labels) for sample in samples}


async def _web() -> CollectorRegistry:
    stage, metrics = Stage(), WebMetrics()
    stage.registry.models[1] = model_record_of()
    stage.registry.champion = 1
    stage.due_users.read_at = stage.clock.now()
    await stage.archive.put(stale_feed_of())
    metrics.answered("cache", 200, 0.001)
    settings, breaker = Settings(metrics_port=free_port()), SomeBreaker("redis", "open")
    async with open_metrics(metrics, use_cases_of(stage), settings, [breaker]):
        await figures_once(metrics.registry, is_whole)
    return metrics.registry


def _samples(registry: CollectorRegistry) -> Iterator[Any]:
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        yield from family.samples


def queries() -> list[str]:
    """Every expression of the dashboard and of the alerts."""
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    annotations = [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
    return [*targets, *annotations, *(rule["expr"] for rule in RULES)]


def test_every_name_and_label_that_is_asked_for_is_told(told: Labels) -> None:
    asked = {name for query in queries() for name in re.findall(r"threads_ml_\w+", query)}
    selected = [
        (name, label)
        for query in queries()
        for name, selector in re.findall(r"(threads_ml_\w+)\{(.*?)\}", query)
        for label in re.findall(r"(\w+)=", selector)
    ]

    assert len(asked) >= 15
    assert asked - set(told) == set()
    assert [(name, label) for name, label in selected if label not in told[name]] == []


def test_every_figure_is_explained_on_the_operators_page_and_nothing_else(told: Labels) -> None:
    section = OPERATIONS.read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    explained = set(re.findall(r"^\| `(threads_ml_\w+)` \|", section, re.MULTILINE))

    histograms = {name.removesuffix("_bucket") for name in told if name.endswith("_bucket")}
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count", "created")}
    ours = {name for name in told if name.startswith("threads_ml_") and not name.endswith("_created")}
    assert explained == (ours - parts) | histograms


def test_panels_do_not_lie_on_each_other() -> None:
    fields = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]

    assert len(fields) == len(set(fields))
    assert max(x for x, _ in fields) < 24
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")

    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert ROOT / page == OPERATIONS
    assert anchor in headings(OPERATIONS)


@pytest.mark.parametrize("alert", THRESHOLDS)
def test_alerts_and_status_check_call_for_the_same(alert: str) -> None:
    (expression,) = [rule["expr"] for rule in RULES if rule["alert"] == alert]

    assert expression.endswith(f" > {THRESHOLDS[alert]:g}")


def test_the_alert_for_an_old_model_is_in_seconds() -> None:
    (expression,) = [rule["expr"] for rule in RULES if rule["alert"] == "ModelIsOld"]

    assert expression.endswith(f" > {Settings().check_model_age_hours:g} * 3600")
