"""The queue as workers use it, beside Dramatiq's own broker, which is expected to fail where ours must not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries

from core.settings import Settings
from worker import broker as broker_module
from worker.broker import FeedBroker, build_broker
from worker.careful_retries import CarefulRetries, NotedStarts

WITHIN_SECONDS = 15.0
QUEUE = "feeds"


@dataclass
class Stand:
    """A broker with one actor, which does what each test wants, and workers that come and go."""

    url: str
    is_ours: bool
    work: Callable[[str], None] = lambda user_id: None
    begun: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.redis = redis.Redis.from_url(self.url)

    def broker(self) -> Any:
        if self.is_ours:
            settings = Settings(redis_url=self.url, broker_url=self.url)
            middleware = [CarefulRetries(max_retries=3, min_backoff=50, max_backoff=100), NotedStarts()]
            broker: Any = build_broker(
                settings, middleware, lambda message: self.quarantined.append(message.kwargs["user_id"])
            )
        else:
            stock: Any = RedisBroker
            retries: Any = Retries
            broker = stock(url=self.url, middleware=[retries(max_retries=3, min_backoff=50, max_backoff=100)])

        @dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name="generate_feed")
        def generate_feed(user_id: str) -> None:
            self.begun.append(user_id)
            self.work(user_id)

        broker.generate_feed = generate_feed
        return broker

    @contextmanager
    def worker(self, broker: Any, threads: int = 2) -> Iterator[Worker]:
        worker = Worker(broker, worker_timeout=1000, worker_threads=threads)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop(timeout=5_000)

    def kill(self, broker: Any) -> None:
        """Its worker gives no more signs of life, and its last one is long ago."""
        self.redis.zadd("dramatiq:__heartbeats__", {broker.broker_id: 1})

    def dead(self) -> dict[str, str]:
        return {key.decode(): text.decode() for key, text in self.redis.hgetall(f"dramatiq:{QUEUE}.XQ.errors").items()}


@pytest.fixture
def stand(broker_url: str) -> Stand:
    return Stand(broker_url, is_ours=True)


def ours_and_stock(*, is_certain: bool) -> list[Any]:
    """is_certain: whether Dramatiq's broker always fails, or only unless it draws one lot of a thousand."""
    expected = pytest.mark.xfail(strict=is_certain, reason="what ours is there for")
    return [pytest.param(True, id="ours"), pytest.param(False, id="stock", marks=expected)]


@pytest.fixture(params=ours_and_stock(is_certain=True))
def either(request: pytest.FixtureRequest, broker_url: str) -> Stand:
    return Stand(broker_url, is_ours=request.param)


@pytest.fixture(params=ours_and_stock(is_certain=False))
def either_by_chance(request: pytest.FixtureRequest, broker_url: str) -> Stand:
    return Stand(broker_url, is_ours=request.param)


def wait_until(condition: Callable[[], bool], seconds: float = WITHIN_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_messages_are_done_acknowledged_and_leave_nothing_behind(stand: Stand) -> None:
    broker = stand.broker()
    with stand.worker(broker):
        for number in range(50):
            broker.generate_feed.send(str(number))
        wait_until(lambda: len(stand.begun) == 50)
        wait_until(lambda: stand.redis.hlen(f"dramatiq:{QUEUE}.msgs") == 0)

    assert sorted(stand.begun, key=int) == [str(number) for number in range(50)]
    assert {key.decode() for key in stand.redis.keys("*")} <= {"dramatiq:__heartbeats__"}


def test_an_idle_worker_is_woken_and_does_not_poll(either: Stand) -> None:
    broker = either.broker()
    done = threading.Event()
    either.work = lambda user_id: done.set()
    with either.worker(broker):
        wait_until(lambda: bool(either.redis.exists("dramatiq:__heartbeats__")))
        delays = []
        for _ in range(8):
            time.sleep(0.3)  # an idle queue is what is asked for: Dramatiq's pauses grow with it
            done.clear()
            sent = time.monotonic()
            broker.generate_feed.send("anna")
            assert done.wait(WITHIN_SECONDS)
            delays.append(time.monotonic() - sent)

    assert sorted(delays)[4] < 0.05


def test_a_full_worker_fetches_as_soon_as_a_thread_is_free(stand: Stand) -> None:
    broker = stand.broker()
    gate, inside = threading.Semaphore(0), threading.Semaphore(0)

    def hold(_: str) -> None:
        inside.release()
        gate.acquire()

    stand.work = hold
    with stand.worker(broker, threads=1):
        broker.generate_feed.send("first")
        broker.generate_feed.send("second")
        assert inside.acquire(timeout=WITHIN_SECONDS)
        assert stand.redis.llen(f"dramatiq:{QUEUE}") == 1
        gate.release()
        freed = time.monotonic()
        assert inside.acquire(timeout=WITHIN_SECONDS)
        took = time.monotonic() - freed
        gate.release()

    assert took < 0.5


def test_a_message_that_waits_here_could_run_elsewhere_and_is_not_fetched(stand: Stand) -> None:
    one, other = stand.broker(), stand.broker()
    gate = threading.Event()
    stand.work = lambda user_id: None if user_id == "quick" else gate.wait(WITHIN_SECONDS) and None
    with stand.worker(one, threads=1):
        one.generate_feed.send("slow")
        wait_until(lambda: stand.begun == ["slow"])
        one.generate_feed.send("quick")
        with stand.worker(other, threads=1):
            wait_until(lambda: stand.begun == ["slow", "quick"])
            gate.set()


def test_one_undecodable_message_is_a_dead_letter_alone(either: Stand) -> None:
    broker = either.broker()
    either.redis.hset(f"dramatiq:{QUEUE}.msgs", "broken", b"no json")
    either.redis.rpush(f"dramatiq:{QUEUE}", "broken")
    for user in ("anna", "ben"):
        broker.generate_feed.send(user)

    with either.worker(broker):
        wait_until(lambda: sorted(either.begun) == ["anna", "ben"], seconds=2)

    assert either.redis.hget(f"dramatiq:{QUEUE}.XQ.msgs", "broken") == b"no json"
    assert "cannot be read" in either.dead()["broken"]


def test_a_message_without_its_payload_is_passed_over(stand: Stand) -> None:
    broker = stand.broker()
    stand.redis.rpush(f"dramatiq:{QUEUE}", "lost")
    broker.generate_feed.send("anna")

    with stand.worker(broker):
        wait_until(lambda: stand.begun == ["anna"])
        wait_until(lambda: not stand.redis.keys("dramatiq:__acks__*"))


def test_a_failing_job_is_tried_again_and_ends_among_the_dead_letters_with_its_error(stand: Stand) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("no luck")

    broker = stand.broker()
    stand.work = fail
    with stand.worker(broker):
        broker.generate_feed.send("anna")
        wait_until(lambda: len(stand.dead()) == 1)

    assert stand.begun == ["anna"] * 4
    assert list(stand.dead().values()) == ["RuntimeError('no luck')"]


def test_a_job_that_fails_while_redis_is_away_is_tried_again_afterwards(
    either: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = either.broker()
    monkeypatch.setattr(broker_module, "REENQUEUE_PAUSE_SECONDS", 0.01)
    outage = [3]
    real = broker.do_enqueue

    def away_for_a_while(*arguments: Any) -> Any:
        if outage[0] and either.begun:
            outage[0] -= 1
            raise redis.ConnectionError("away")
        return real(*arguments)

    def fail_once(_: str) -> None:
        if len(either.begun) == 1:
            raise RuntimeError("no luck")

    either.work = fail_once
    monkeypatch.setattr(
        type(broker), "do_enqueue", lambda self, *arguments: away_for_a_while(*arguments), raising=False
    )
    with either.worker(broker):
        broker.generate_feed.send("anna")
        wait_until(lambda: either.begun == ["anna", "anna"], seconds=3)


def test_a_retry_that_can_never_be_put_in_again_is_a_dead_letter_and_not_gone(
    either: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("no luck")

    broker = either.broker()
    monkeypatch.setattr(broker_module, "REENQUEUE_WITHIN_SECONDS", 0.05)
    broker.generate_feed.send("anna")
    either.work = fail

    def away(*_: Any) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(broker, "do_enqueue", away, raising=False)
    with either.worker(broker):
        wait_until(lambda: either.begun == ["anna"])
        wait_until(lambda: either.redis.zcard(f"dramatiq:{QUEUE}.XQ") == 1, seconds=3)


def test_what_a_lost_connection_stranded_comes_back_while_the_worker_lives(either: Stand) -> None:
    broker = either.broker()
    broker.generate_feed.send("anna")
    message_id = either.redis.lpop(f"dramatiq:{QUEUE}")
    either.redis.sadd(f"dramatiq:__acks__.{broker.broker_id}.{QUEUE}", message_id)

    with either.worker(broker):
        wait_until(lambda: either.begun == ["anna"], seconds=3)


def test_jobs_of_a_killed_worker_come_back_at_the_next_maintenance(either_by_chance: Stand) -> None:
    either = either_by_chance
    killed, living = either.broker(), either.broker()
    killed.generate_feed.send("anna")
    message_id = either.redis.lpop(f"dramatiq:{QUEUE}")
    either.redis.sadd(f"dramatiq:__acks__.{killed.broker_id}.{QUEUE}", message_id)
    either.kill(killed)

    with either.worker(living):
        wait_until(lambda: either.begun == ["anna"], seconds=3)
        wait_until(lambda: either.redis.zscore("dramatiq:__heartbeats__", killed.broker_id) is None, seconds=3)


def test_a_worker_with_a_wrong_clock_harms_nobody(either: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = either.broker()
    monkeypatch.setattr("dramatiq.brokers.redis.current_millis", lambda: 1000)
    slow.generate_feed.send("anna")
    with either.worker(slow):
        wait_until(lambda: either.begun == ["anna"])
        seconds, _ = either.redis.time()
        score = either.redis.zscore("dramatiq:__heartbeats__", slow.broker_id)

    assert score is not None
    assert abs(score / 1000 - seconds) < 60


def test_a_message_over_which_three_workers_died_is_quarantined_and_its_neighbours_are_not(stand: Stand) -> None:
    living = stand.broker()
    living.generate_feed.send(user_id="poison")
    living.generate_feed.send(user_id="neighbour")
    poison, neighbour = stand.redis.lrange(f"dramatiq:{QUEUE}", 0, -1)

    for _ in range(3):
        killed = stand.broker()
        assert len(killed.fetch(QUEUE, 2)) == 2
        killed.start(QUEUE, poison.decode())
        stand.kill(killed)
        living.maintain(QUEUE)

    assert stand.quarantined == ["poison"]
    assert stand.dead() == {poison.decode(): "quarantined: its worker died over it 3 times"}
    assert stand.redis.lrange(f"dramatiq:{QUEUE}", 0, -1) == [neighbour]


def test_a_time_out_is_a_lost_connection_and_the_worker_goes_on(either: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = either.broker()
    done = threading.Event()
    either.work = lambda user_id: done.set()
    failures = [1]
    real = redis.Redis.evalsha

    def slow_once(self: Any, *arguments: Any, **options: Any) -> Any:
        if failures[0] and either.begun and done.is_set() is not None:
            failures[0] -= 1
            raise redis.TimeoutError("too slow")
        return real(self, *arguments, **options)

    broker.generate_feed.send("anna")
    monkeypatch.setattr(redis.Redis, "evalsha", slow_once)
    with either.worker(broker):
        assert done.wait(WITHIN_SECONDS)
        wait_until(lambda: either.redis.hlen(f"dramatiq:{QUEUE}.msgs") == 0, seconds=8)

    assert failures == [0]


def test_messages_that_nobody_has_begun_with_go_back_when_a_worker_stops(stand: Stand) -> None:
    broker = stand.broker()
    gate = threading.Event()
    stand.work = lambda user_id: gate.wait(WITHIN_SECONDS) and None
    with stand.worker(broker, threads=1):
        for number in range(3):
            broker.generate_feed.send(str(number))
        wait_until(lambda: stand.begun == ["0"])
        gate.set()

    left = stand.redis.llen(f"dramatiq:{QUEUE}")
    assert left + len(stand.begun) == 3
    assert not stand.redis.keys("dramatiq:__acks__*")


def test_ours_speaks_dramatiq_s_wire_format(stand: Stand) -> None:
    stock: Any = RedisBroker
    old = stock(url=stand.url, middleware=[])
    broker = stand.broker()
    assert isinstance(broker, FeedBroker)

    @dramatiq.actor(broker=old, queue_name=QUEUE, actor_name="generate_feed")
    def generate_feed(user_id: str) -> None:
        raise AssertionError(user_id)

    generate_feed.send("anna")
    with stand.worker(broker):
        wait_until(lambda: stand.begun == ["anna"])
