"""Who is told of a job that is given up, and in which words."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, AsyncIO, Retries, TimeLimitExceeded
from structlog.testing import capture_logs

from core.domain.errors import ArchiveUnavailable, ThreadsMlError
from core.domain.job import Queue
from worker.final_failure import FinalFailure

USER = uuid4()


@dataclass
class Failures:
    """Stands where FailJob does, and notes what it is told."""

    told: list[tuple[UUID, str]] = field(default_factory=list)
    error: ThreadsMlError | None = None

    async def __call__(self, user_id: UUID, failure: str) -> None:
        self.told.append((user_id, failure))
        if self.error is not None:
            raise self.error


@pytest.fixture
def failures() -> Failures:
    return Failures()


@pytest.fixture
def broker(failures: Failures) -> Iterator[StubBroker]:
    lifespan: Any = SimpleNamespace(parts=SimpleNamespace(fail_job=failures))
    broker = StubBroker(middleware=[AgeLimit(), FinalFailure(lifespan), Retries(min_backoff=1), AsyncIO()])
    yield broker
    broker.flush_all()
    broker.close()


def run(broker: StubBroker, error: BaseException | None, queue: Queue = Queue.FEEDS, **options: Any) -> list[Any]:
    """Have a worker run a message whose actor raises the error; gives what the log says of giving up."""

    def generate_feed(user_id: str, request_id: str) -> None:
        if error is not None:
            raise error

    actor = dramatiq.actor(generate_feed, broker=broker, queue_name=queue.value, max_retries=1, max_backoff=1)
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    with capture_logs() as logs:
        worker.start()
        actor.send_with_options(kwargs={"user_id": str(USER), "request_id": "request-1"}, **options)
        broker.join(queue.value, timeout=10_000, fail_fast=False)
        worker.join()
        worker.stop()
    return [line for line in logs if line["event"] in {"job_given_up", "failure_not_recorded"}]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ArchiveUnavailable("Postgres does not answer: refused"), "a server that is needed did not answer"),
        (TimeLimitExceeded(), "generating the feed took too long"),
        (ValueError("select secret from"), "generating the feed failed: ValueError"),
    ],
    ids=["ours", "time limit", "a bug"],
)
def test_the_holders_of_tickets_are_told_once_in_words_for_them(
    broker: StubBroker, failures: Failures, error: BaseException, told: str
) -> None:
    logs = run(broker, error)

    assert failures.told == [(USER, told)]
    assert [(line["event"], line["request_id"]) for line in logs] == [("job_given_up", "request-1")]


def test_of_a_job_that_succeeds_nobody_is_told(broker: StubBroker, failures: Failures) -> None:
    logs = run(broker, None)

    assert failures.told == []
    assert logs == []


def test_a_bulk_job_that_is_given_up_fails_nobodys_ticket(broker: StubBroker, failures: Failures) -> None:
    logs = run(broker, ValueError(), Queue.FEEDS_BULK)

    assert failures.told == []
    assert [line["event"] for line in logs] == ["job_given_up"]


def test_a_message_that_was_too_old_fails_nobodys_ticket(broker: StubBroker, failures: Failures) -> None:
    logs = run(broker, ValueError(), max_age=0.001)

    assert failures.told == []
    assert logs == []


def test_a_failure_that_cannot_be_written_is_logged(broker: StubBroker, failures: Failures) -> None:
    failures.error = ArchiveUnavailable("Postgres does not answer")

    logs = run(broker, ValueError())

    assert [line["event"] for line in logs] == ["job_given_up", "failure_not_recorded"]
