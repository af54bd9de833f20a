"""What a worker process does between its boot and its end, in this process, with Dramatiq and real servers."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import dramatiq
import pytest
import structlog
from structlog.testing import LogCapture

from core.domain.feed import NO_FEED, Reason
from core.domain.job import FeedRequest, GenerateMessage, JobState, Queue, Ticket
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_signals import RedisFeedSignals
from tests.integration.worker.conftest import WITHIN_SECONDS, Service, until
from worker.main import feeds, feeds_bulk

SET_UP = {Queue.FEEDS: feeds, Queue.FEEDS_BULK: feeds_bulk}


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[LogCapture]:
    """The worker's log, which all its threads write; what else its set-up changes in a process is undone."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr("dramatiq.broker.global_broker", None)
    capture = LogCapture()
    processors = [structlog.contextvars.merge_contextvars, capture]
    monkeypatch.setattr("worker.main.set_up_logs", lambda *_: structlog.configure(processors=processors))
    yield capture
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def environment(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> pytest.MonkeyPatch:
    """The environment that a worker reads, with the servers in it, in a folder without a .env file."""
    monkeypatch.chdir(tmp_path)
    set_environment(monkeypatch, service.environment)
    return monkeypatch


def set_environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def running(queue: Queue = Queue.FEEDS) -> AsyncIterator[None]:
    """A worker of the queue, set up as Dramatiq's command line does it, and drained at the end."""
    SET_UP[queue]()
    broker: Any = dramatiq.get_broker()
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
    try:
        await asyncio.to_thread(worker.start)
        yield
        await asyncio.to_thread(worker.stop)
    finally:
        broker.client.close()


def events(logs: LogCapture, name: str) -> list[Any]:
    return [entry for entry in logs.entries if entry["event"] == name]


@pytest.mark.usefixtures("environment")
async def test_until_there_is_a_model_a_job_makes_a_popular_feed_and_says_so(
    service: Service, logs: LogCapture
) -> None:
    user_id, seen, unseen = uuid4(), uuid4(), uuid4()
    await service.interact(user_id, seen)
    await service.interact(uuid4(), seen, unseen)

    await service.queue.submit(GenerateMessage(user_id, "request-7"))
    async with running():
        await until(lambda: service.is_released(user_id), "the job is done")

    archived = await service.archive.get(user_id)
    (job,) = events(logs, "job_done")
    assert archived is not None
    assert [(item.post_id, item.reason) for item in archived.recommendations] == [(unseen, Reason.POPULAR)]
    assert archived.expires_at - archived.generated_at == timedelta(minutes=10)
    assert await service.cache.get(user_id) == archived
    assert (job["request_id"], job["user_id"]) == ("request-7", str(user_id))
    assert (job["model_version"], job["outcome"]) == ("popular", "feed_stored")
    assert job["duration_ms"] > 0
    assert job["queued_ms"] > 0


@pytest.mark.usefixtures("environment")
async def test_a_user_without_history_is_no_error(service: Service, logs: LogCapture) -> None:
    stranger = uuid4()

    await service.queue.submit(GenerateMessage(stranger, "request"))
    async with running():
        await until(lambda: service.is_released(stranger), "the job is done")

    assert [job["outcome"] for job in events(logs, "job_done")] == ["no_history"]
    assert await service.archive.get(stranger) is None


@pytest.mark.usefixtures("environment")
async def test_a_session_gets_a_feed_of_its_posts_that_only_the_cache_has(service: Service, logs: LogCapture) -> None:
    session, seen, unseen = uuid4(), uuid4(), uuid4()
    await service.interact(uuid4(), seen, unseen)

    await service.queue.submit(GenerateMessage(session, "request-8", (seen,)))
    async with running():
        await until(lambda: service.is_released(session), "the job is done")

    cached = await service.cache.get(session)
    assert [job["outcome"] for job in events(logs, "job_done")] == ["feed_stored"]
    assert cached is not None
    assert [item.post_id for item in cached.recommendations] == [unseen]
    assert await service.archive.get(session) is None


@pytest.mark.usefixtures("environment", "logs")
async def test_a_worker_takes_the_messages_of_its_queue_only(service: Service) -> None:
    waiting, in_bulk = uuid4(), uuid4()
    await service.interact(waiting, uuid4())
    await service.interact(in_bulk, uuid4())
    await service.queue.submit(GenerateMessage(waiting, "request"))
    await service.queue.submit_bulk([GenerateMessage(in_bulk, "bulk")])

    async with running(Queue.FEEDS_BULK):
        await until(lambda: service.archive.get(in_bulk), "the bulk feed is there")

    assert await service.archive.get(waiting) is None
    assert (await service.queue.progress(waiting)).state is JobState.QUEUED
    assert await service.queue.depths() == {Queue.FEEDS: 1, Queue.FEEDS_BULK: 0}


@pytest.mark.usefixtures("environment", "logs")
async def test_a_worker_is_counted_while_it_runs_and_not_afterwards(service: Service) -> None:
    async with running():
        await until(lambda: service.queue.workers_alive(Queue.FEEDS), "the worker is present")
        elsewhere = await service.queue.workers_alive(Queue.FEEDS_BULK)

    assert elsewhere == 0
    assert await service.is_nobody_present()


@pytest.mark.usefixtures("environment")
async def test_a_job_that_fails_to_the_end_fails_its_tickets(service: Service, logs: LogCapture) -> None:
    user_id = uuid4()
    ticket = ticket_for(str(user_id))
    await service.interact(user_id, uuid4())
    await service.tickets.add(ticket)
    await service.pool.execute("alter table feed rename to feed_elsewhere")
    await service.queue.submit(GenerateMessage(user_id, "request-9"))
    await allow_one_retry(service)

    async with (
        open_redis(service.environment["REDIS_URL"]) as client,
        RedisFeedSignals(client) as signals,
        signals.listen(user_id) as listening,
        running(),
    ):
        heard = await listening.heard(WITHIN_SECONDS)
        await until(lambda: service.is_released(user_id), "the job has been given up")

    failed = await service.tickets.get(ticket.id)
    (given_up,) = events(logs, "job_given_up")
    assert heard
    assert failed is not None
    assert failed.failure == "a server that is needed did not answer"
    assert given_up["request_id"] == "request-9"
    assert [entry["request_id"] for entry in events(logs, "job_failed")] == ["request-9"] * 2


def ticket_for(user: str) -> Ticket:
    now = datetime.now(UTC)
    return Ticket(uuid4(), FeedRequest(user, 10), NO_FEED, now, now + timedelta(hours=1))


async def allow_one_retry(service: Service) -> None:
    """Of the message in the queue, which would be tried for longer than a test likes to wait."""
    ((message_id, payload),) = (await service.broker.hgetall("dramatiq:feeds.msgs")).items()
    message = json.loads(payload)
    message["options"] |= {"max_retries": 1, "min_backoff": 1, "max_backoff": 1}
    await service.broker.hset("dramatiq:feeds.msgs", message_id, json.dumps(message))


@pytest.mark.usefixtures("logs")
async def test_without_the_cache_a_worker_still_fills_the_archive(
    service: Service, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    user_id = uuid4()
    await service.interact(user_id, uuid4())

    await service.queue.submit(GenerateMessage(user_id, "request"))
    async with running():
        await until(lambda: service.is_released(user_id), "the job is done")

    assert await service.archive.get(user_id) is not None


@pytest.mark.usefixtures("environment", "logs")
async def test_the_popular_posts_are_counted_anew_where_nobody_has_done_so(service: Service) -> None:
    await service.interact(uuid4(), uuid4())

    async def are_counted() -> bool:
        return bool(await service.pool.fetchval("select exists (select from popular_feed)"))

    async with running():
        await until(are_counted, "the popular posts are stored")


@pytest.mark.parametrize(
    ("wrong", "exit_code", "reason"),
    [
        ({"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d"}, 1, "Postgres does not answer"),
        ({"BROKER_URL": "redis://127.0.0.1:1/0"}, 1, "Redis does not answer"),
        ({"MODEL_PIN": "v99"}, 78, "MODEL_PIN"),
    ],
    ids=["database", "broker", "pin"],
)
async def test_a_worker_that_cannot_begin_leaves_and_says_why(
    environment: pytest.MonkeyPatch, logs: LogCapture, wrong: dict[str, str], exit_code: int, reason: str
) -> None:
    set_environment(environment, wrong)
    SET_UP[Queue.FEEDS]()
    broker: Any = dramatiq.get_broker()

    with pytest.raises(SystemExit) as left:
        await asyncio.to_thread(broker.emit_before, "worker_boot", None)

    broker.client.close()
    (line,) = events(logs, "worker_not_started")
    assert left.value.code == exit_code
    assert reason in line["reason"]


@pytest.mark.parametrize("queue", list(Queue))
def test_a_wrong_setting_ends_the_set_up_with_one_line(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    set_environment(monkeypatch, {"DATABASE_URL": "mysql://somewhere/d", "REDIS_URL": "redis://127.0.0.1:1/0"})

    with pytest.raises(SystemExit) as left:
        SET_UP[queue]()

    assert left.value.code == 78
    assert capsys.readouterr().err.count("DATABASE_URL is wrong") == 1


@pytest.mark.usefixtures("environment", "logs")
def test_a_second_sigterm_does_not_reach_dramatiq(monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
    try:
        SET_UP[Queue.FEEDS]()
        dramatiq.get_broker().emit_after("process_boot")

        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert caught == [signal.SIGTERM]
