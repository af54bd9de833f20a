"""What is counted of jobs, and that no death of a process takes it back."""

import time
from pathlib import Path
from typing import Any

import prometheus_client.values
import pytest
from dramatiq import Message, MessageProxy
from prometheus_client import CollectorRegistry, generate_latest

from core.domain.job import Queue
from core.infrastructure.process_supervisor import ProcessSupervisor
from tests.builders import samples_of
from worker.job_metrics import FOLDER_VARIABLE, JobMetrics, MeteredJobs, environment_of_process, open_registry
from worker.process_metrics import process_metrics

BROKER: Any = None  # no hook asks it for anything


def message(age_seconds: float = 0, **options: Any) -> MessageProxy:
    sent_at = int((time.time() - age_seconds) * 1000)
    return MessageProxy(Message("feeds", "generate_feed", (), {}, options, message_id="one", message_timestamp=sent_at))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metered(registry: CollectorRegistry) -> MeteredJobs:
    return MeteredJobs(JobMetrics(registry))


def counted(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    return dict(samples_of(generate_latest(registry).decode()))


def test_a_job_is_counted_by_its_outcome_with_its_time_in_the_queue(
    metered: MeteredJobs, registry: CollectorRegistry
) -> None:
    job = message(age_seconds=20)

    metered.before_process_message(BROKER, job)
    metered.after_process_message(BROKER, job, result="feed_stored")

    figures = counted(registry)
    assert figures["threads_ml_jobs_total", "feed_stored", "feeds"] == 1
    assert figures["threads_ml_job_duration_seconds_count", "feeds"] == 1
    assert 20 <= figures["threads_ml_job_wait_seconds_sum", "feeds"] < 60


def test_a_failed_attempt_is_told_from_the_last_one(metered: MeteredJobs, registry: CollectorRegistry) -> None:
    first, last = message(), message(retries=3)
    last.fail()

    for job in (first, last):
        metered.before_process_message(BROKER, job)
        metered.after_process_message(BROKER, job, exception=RuntimeError("no luck"))

    figures = counted(registry)
    assert figures["threads_ml_jobs_total", "failed", "feeds"] == 1
    assert figures["threads_ml_jobs_total", "given_up", "feeds"] == 1
    assert figures["threads_ml_job_wait_seconds_count", "feeds"] == 1


def test_a_job_that_was_too_old_to_begin_with_is_counted(metered: MeteredJobs, registry: CollectorRegistry) -> None:
    metered.after_skip_message(BROKER, message())

    assert counted(registry)["threads_ml_jobs_total", "too_old", "feeds"] == 1


def test_a_folder_that_the_machine_has_removed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "removed"
    monkeypatch.setattr(prometheus_client.values, "ValueClass", prometheus_client.values.ValueClass)
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))

    JobMetrics(open_registry(environment_of_process(folder, 0))).ended("feeds", "feed_stored", 0.5)

    assert list(folder.iterdir())


def test_processes_are_added_up_and_one_that_starts_again_counts_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus_client.values, "ValueClass", prometheus_client.values.ValueClass)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))

    for slot in (0, 1, 0):
        registry = open_registry(environment_of_process(tmp_path, slot))
        JobMetrics(registry).ended("feeds", "feed_stored", 0.5)

    figures = counted(process_metrics(tmp_path, Queue.FEEDS, ProcessSupervisor()))
    assert figures["threads_ml_jobs_total", "feed_stored", "feeds"] == 3
    assert figures["threads_ml_job_duration_seconds_sum", "feeds"] == 1.5
    assert figures["threads_ml_worker_restarts_total", "feeds"] == 0
    assert len(list(tmp_path.iterdir())) == 4
