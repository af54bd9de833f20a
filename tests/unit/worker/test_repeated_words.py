"""Which of Dramatiq's own lines a worker's log has, from a real Dramatiq worker."""

import logging
from collections.abc import Callable, Iterator

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from core.domain.errors import ArchiveUnavailable
from worker.repeated_words import DRAMATIQ_LOGGER, leave_out_repeated_words


@pytest.fixture(autouse=True)
def _left_out() -> Iterator[None]:
    logger = logging.getLogger(DRAMATIQ_LOGGER)
    before = list(logger.filters)
    leave_out_repeated_words()
    yield
    logger.filters[:] = before


def run(job: Callable[[], object]) -> None:
    """One attempt at the job, in a worker thread."""
    broker = StubBroker(middleware=[])
    dramatiq.actor(job, broker=broker, actor_name="job", queue_name="feeds").send()
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=1)
    worker.start()
    broker.join("feeds", fail_fast=False)
    worker.stop()


def fail_with(error: Exception) -> object:
    raise error


def test_an_error_of_the_service_is_told_by_the_jobs_line_alone(caplog: pytest.LogCaptureFixture) -> None:
    run(lambda: fail_with(ArchiveUnavailable("it is away")))

    assert caplog.messages == []


def test_an_outcome_is_no_reason_for_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    run(lambda: "feed_stored")

    assert caplog.messages == []


def test_what_nobody_expected_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    run(lambda: fail_with(ZeroDivisionError("a mistake")))

    assert len(caplog.records) == 1
    assert "ZeroDivisionError: a mistake" in caplog.text
