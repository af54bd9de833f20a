"""The queue's promises, kept by the fake and by Redis; and that a Dramatiq worker reads what was written."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID, uuid4

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from core.application.ports.job_queue import JobQueue
from core.domain.backlog import Backlog
from core.domain.errors import QueueUnavailable
from core.domain.feed import NO_FEED, FeedOrder
from core.domain.job import ChunkMessage, GenerateMessage, JobState, Queue
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_job_queue import (
    ACTOR_NAMES,
    CHUNK_ACTOR_NAME,
    LEASE_SECONDS,
    MESSAGES_A_ROUND_TRIP,
    REMEMBERED_MILLISECONDS,
    SPEED_SECONDS,
    RedisJobQueue,
)
from core.infrastructure.redis_worker_presence import RedisWorkerPresence
from tests.fakes.job_queue import FakeJobQueue

CONSUMED_WITHIN_SECONDS = 15


@pytest.fixture
async def client(broker_url: str) -> AsyncIterator[Any]:
    async with open_redis(broker_url, timeout_seconds=5) as opened:
        yield opened


@pytest.fixture(params=["fake", "redis"])
def queue(request: pytest.FixtureRequest) -> JobQueue:
    return FakeJobQueue() if request.param == "fake" else RedisJobQueue(request.getfixturevalue("client"))


@asynccontextmanager
async def absent_queue(kind: str) -> AsyncIterator[JobQueue]:
    """A queue whose server does not answer."""
    if kind == "fake":
        yield FakeJobQueue(unavailable=True)
        return
    async with open_redis("redis://127.0.0.1:1/0") as client:
        yield RedisJobQueue(client)


def message_for(user_id: UUID | None = None) -> GenerateMessage:
    return GenerateMessage(user_id or uuid4(), "request-1")


async def test_the_first_message_of_a_user_is_enqueued_and_the_job_is_queued(queue: JobQueue) -> None:
    message = message_for()

    submission = await queue.submit(message)

    assert submission.enqueued
    assert (await queue.progress(message.user_id)).state is JobState.QUEUED
    assert await queue.depths() == {Queue.FEEDS: 1, Queue.FEEDS_BULK: 0}


async def test_a_second_message_joins_the_job_that_is_there(queue: JobQueue) -> None:
    message = message_for()
    await queue.submit(message)

    submission = await queue.submit(message)

    assert not submission.enqueued
    assert (await queue.depths())[Queue.FEEDS] == 1


async def test_of_many_at_once_one_is_enqueued(queue: JobQueue) -> None:
    message = message_for()

    submissions = await asyncio.gather(*(queue.submit(message) for _ in range(100)))

    assert sum(submission.enqueued for submission in submissions) == 1
    assert (await queue.depths())[Queue.FEEDS] == 1


async def test_users_do_not_stand_in_each_others_way(queue: JobQueue) -> None:
    await queue.submit(message_for())

    submission = await queue.submit(message_for())

    assert submission.enqueued


async def test_a_job_that_a_worker_has_begun_is_running(queue: JobQueue) -> None:
    message = message_for()
    await queue.submit(message)

    await queue.mark_running(message.user_id)

    assert (await queue.progress(message.user_id)).state is JobState.RUNNING
    assert not (await queue.submit(message)).enqueued


async def test_a_job_without_a_lease_leaves_none_when_it_runs(queue: JobQueue) -> None:
    user_id = uuid4()

    await queue.mark_running(user_id)

    assert await queue.progress(user_id) is None


async def test_after_the_release_the_next_message_is_a_new_job(queue: JobQueue) -> None:
    message = message_for()
    await queue.submit(message)

    await queue.release(message.user_id)

    assert await queue.progress(message.user_id) is None
    assert (await queue.submit(message)).enqueued


async def test_whoever_looked_before_a_finished_job_showed_its_feed_begins_no_other(queue: JobQueue) -> None:
    message = message_for()
    await queue.submit(message)

    await queue.finish(message.user_id, FeedOrder(2, 11))

    assert await queue.progress(message.user_id) is None
    assert not (await queue.submit(message, NO_FEED)).enqueued
    assert not (await queue.submit(message, FeedOrder(2, 9))).enqueued


@pytest.mark.parametrize("known", [None, FeedOrder(2, 11), FeedOrder(3, 1)])
async def test_whoever_knows_the_feed_of_a_finished_job_or_asks_in_any_case_begins_another(
    queue: JobQueue, known: FeedOrder | None
) -> None:
    message = message_for()
    await queue.submit(message)
    await queue.finish(message.user_id, FeedOrder(2, 11))

    submission = await queue.submit(message, known)

    assert submission.enqueued
    assert submission.backlog.finished == 1


async def test_finishing_what_nobody_holds_is_not_remembered(queue: JobQueue) -> None:
    message = message_for()

    await queue.finish(message.user_id, FeedOrder(2, 11))

    assert (await queue.submit(message, NO_FEED)).enqueued


async def test_releasing_what_nobody_holds_does_no_harm(queue: JobQueue) -> None:
    await queue.release(uuid4())

    assert await queue.progress(uuid4()) is None


async def test_whoever_asks_learns_what_waits_and_how_fast_jobs_end(queue: JobQueue) -> None:
    first, second, third = message_for(), message_for(), message_for()

    at_first = (await queue.submit(first)).backlog
    await queue.submit(second)
    await queue.release(second.user_id)
    at_last = (await queue.submit(third)).backlog

    assert at_first == Backlog(waiting=1)
    assert at_last == Backlog(waiting=3, finished=1, busy_seconds=1)
    assert (await queue.progress(third.user_id)).backlog == at_last


async def test_a_job_counts_as_finished_once_and_one_for_whom_nobody_waits_does_not(queue: JobQueue) -> None:
    message = message_for()
    await queue.submit(message)

    for user_id in (message.user_id, message.user_id, uuid4()):
        await queue.release(user_id)

    assert (await queue.submit(message)).backlog.finished == 1


@pytest.mark.parametrize("count", [0, 1, MESSAGES_A_ROUND_TRIP, 2 * MESSAGES_A_ROUND_TRIP + 1])
async def test_bulk_messages_are_all_enqueued_without_leases(queue: JobQueue, count: int) -> None:
    messages = [message_for() for _ in range(count)]

    await queue.submit_bulk(messages)

    assert await queue.depths() == {Queue.FEEDS: 0, Queue.FEEDS_BULK: count}
    assert not messages or await queue.progress(messages[0].user_id) is None


async def test_the_posts_of_a_session_travel_with_its_message_and_no_other_message_has_any(client: Any) -> None:
    posts = (uuid4(), uuid4())
    queue = RedisJobQueue(client)
    await queue.submit(GenerateMessage(uuid4(), "request-1", posts))
    await queue.submit(message_for())

    payloads = (await client.hgetall("dramatiq:feeds.msgs")).values()

    sent = [json.loads(payload)["kwargs"].get("recent_post_ids") for payload in payloads]
    assert sorted(sent, key=bool) == [None, [str(post_id) for post_id in posts]]


async def test_chunks_are_enqueued_for_the_actor_that_knows_them(client: Any) -> None:
    message = ChunkMessage(uuid4(), "run-1")

    await RedisJobQueue(client).submit_chunks([message])

    ((_, payload),) = (await client.hgetall("dramatiq:feeds-bulk.msgs")).items()
    sent = json.loads(payload)
    assert sent["actor_name"] == CHUNK_ACTOR_NAME
    assert sent["kwargs"] == {"chunk_id": str(message.chunk_id), "request_id": "run-1"}
    assert await client.llen("dramatiq:feeds-bulk") == 1


@pytest.mark.parametrize("kind", ["fake", "redis"])
@pytest.mark.parametrize(
    "call",
    [
        lambda queue: queue.submit(message_for()),
        lambda queue: queue.submit_bulk([message_for()]),
        lambda queue: queue.submit_chunks([ChunkMessage(uuid4(), "run-1")]),
        lambda queue: queue.mark_running(uuid4()),
        lambda queue: queue.release(uuid4()),
        lambda queue: queue.finish(uuid4(), NO_FEED),
        lambda queue: queue.progress(uuid4()),
        lambda queue: queue.depths(),
        lambda queue: queue.workers_alive(Queue.FEEDS),
    ],
    ids=[
        "submit",
        "submit_bulk",
        "submit_chunks",
        "mark_running",
        "release",
        "finish",
        "progress",
        "depths",
        "workers_alive",
    ],
)
async def test_without_its_server_every_call_says_so(kind: str, call: Callable[[JobQueue], Any]) -> None:
    async with absent_queue(kind) as queue:
        with pytest.raises(QueueUnavailable):
            await call(queue)


async def test_a_submission_tells_how_many_workers_live(client: Any) -> None:
    queue = RedisJobQueue(client)
    before = await queue.submit(message_for())
    for name in ("first", "second"):
        await RedisWorkerPresence(client, name).beat(Queue.FEEDS)
    await RedisWorkerPresence(client, "third").beat(Queue.FEEDS_BULK)

    after = await queue.submit(message_for())

    assert (before.workers_alive, after.workers_alive) == (0, 2)
    assert await queue.workers_alive(Queue.FEEDS_BULK) == 1


async def test_jobs_that_ended_long_ago_do_not_count_and_are_forgotten(client: Any) -> None:
    queue, message = RedisJobQueue(client), message_for()
    now, _ = await client.time()
    await client.hset("jobs-finished", mapping={str(now - SPEED_SECONDS): 70, str(now - 2): 30})
    await queue.submit(message)

    before = (await queue.progress(message.user_id)).backlog
    await queue.release(message.user_id)
    after = (await queue.submit(message)).backlog

    assert (before.finished, before.busy_seconds) == (30, 1)
    assert (after.finished, after.busy_seconds) == (31, 2)
    assert await client.hlen("jobs-finished") == 2
    assert 0 < await client.ttl("jobs-finished") <= SPEED_SECONDS


async def test_how_a_job_has_ended_is_soon_forgotten(client: Any) -> None:
    queue, message = RedisJobQueue(client), message_for()
    await queue.submit(message)

    await queue.finish(message.user_id, FeedOrder(2, 11))

    assert 0 < await client.pttl(f"job:{message.user_id}") <= REMEMBERED_MILLISECONDS


async def test_a_lease_ends_by_itself_however_the_job_goes(client: Any) -> None:
    message = message_for()
    queue = RedisJobQueue(client)
    await queue.submit(message)
    queued_for = await client.ttl(f"job:{message.user_id}")

    await queue.mark_running(message.user_id)

    assert 0 < queued_for <= LEASE_SECONDS
    assert 0 < await client.ttl(f"job:{message.user_id}") <= queued_for


@contextmanager
def dramatiq_worker(broker_url: str, handle: Callable[[str, str], None], queue: Queue) -> Iterator[RedisBroker]:
    """A worker as Dramatiq ships it, with one actor that has the name the messages carry."""
    broker = RedisBroker(url=broker_url, middleware=[])
    dramatiq.actor(handle, broker=broker, queue_name=queue.value, actor_name=ACTOR_NAMES[queue])
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
    worker.start()
    try:
        yield broker
    finally:
        worker.stop()
        broker.client.close()


@pytest.mark.parametrize("queue_name", list(Queue))
async def test_a_dramatiq_worker_runs_what_was_submitted(client: Any, broker_url: str, queue_name: Queue) -> None:
    queue, message = RedisJobQueue(client), message_for()
    heard: list[tuple[str, str]] = []
    done = threading.Event()

    def handle(user_id: str, request_id: str) -> None:
        heard.append((user_id, request_id))
        done.set()

    await (queue.submit(message) if queue_name is Queue.FEEDS else queue.submit_bulk([message]))
    with dramatiq_worker(broker_url, handle, queue_name) as broker:
        assert await asyncio.to_thread(done.wait, CONSUMED_WITHIN_SECONDS)
        await asyncio.to_thread(broker.join, queue_name.value, timeout=CONSUMED_WITHIN_SECONDS * 1000)

    assert heard == [(str(message.user_id), "request-1")]
    assert (await queue.depths())[queue_name] == 0


async def test_a_message_counts_while_a_worker_has_it_in_hand(client: Any, broker_url: str) -> None:
    queue = RedisJobQueue(client)
    begun, may_end = threading.Event(), threading.Event()

    def handle(user_id: str, request_id: str) -> None:
        begun.set()
        may_end.wait(CONSUMED_WITHIN_SECONDS)

    await queue.submit(message_for())
    with dramatiq_worker(broker_url, handle, Queue.FEEDS):
        assert await asyncio.to_thread(begun.wait, CONSUMED_WITHIN_SECONDS)
        in_hand = (await queue.depths())[Queue.FEEDS]
        may_end.set()

    assert in_hand == 1
    assert (await queue.depths())[Queue.FEEDS] == 0


async def test_a_message_that_is_delayed_for_a_retry_counts(client: Any, broker_url: str) -> None:
    broker = RedisBroker(url=broker_url, middleware=[])
    broker.declare_queue(Queue.FEEDS.value)
    retried = dramatiq.Message(Queue.FEEDS.value, ACTOR_NAMES[Queue.FEEDS], (), {}, {})

    await asyncio.to_thread(broker.enqueue, retried, delay=60_000)
    broker.client.close()

    assert (await RedisJobQueue(client).depths())[Queue.FEEDS] == 1


async def test_beyond_the_backlog_a_new_job_is_refused_and_one_that_is_there_is_joined(client: Any) -> None:
    queue = RedisJobQueue(client, backlog_at_most=2)
    first, second, third = (GenerateMessage(UUID(int=number), "request") for number in (1, 2, 3))
    await queue.submit(first)
    await queue.submit(second)

    refused, joined = await queue.submit(third), await queue.submit(first)

    assert (refused.enqueued, refused.is_refused) == (False, True)
    assert (joined.enqueued, joined.is_refused) == (False, False)
    assert refused.backlog.waiting == joined.backlog.waiting == 2
    assert (await queue.depths())[Queue.FEEDS] == 2
    assert await queue.progress(UUID(int=3)) is None
