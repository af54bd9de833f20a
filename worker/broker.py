"""The broker of a worker process: Dramatiq over Redis, woken at once and losing nothing."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis
import structlog
from dramatiq import Consumer, Message, Middleware
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.domain.job import Queue
from core.infrastructure.redis_client import connection_options
from core.infrastructure.redis_job_queue import NAMESPACE
from core.settings import Settings
from worker import queue_scripts
from worker.waking_consumer import Hand, WakingConsumer, lost_connections

HEARTBEAT_TIMEOUT_MILLISECONDS = 30_000
DEAD_LETTER_TTL_MILLISECONDS = 7 * 86_400_000
DEATHS_AT_MOST = 3
SOCKET_TIMEOUT_SECONDS = 5.0
# One for each of the two consumers, which wait in Redis, and one in turns for the threads, which ask for a moment.
CONNECTIONS = 3
# A retry waits so long for Redis to come back; then the message is a dead letter, which can be sent again.
REENQUEUE_WITHIN_SECONDS = 30.0
REENQUEUE_PAUSE_SECONDS = 0.25

Quarantined = Callable[[Message[Any]], None]


def build_broker(
    settings: Settings, middleware: Sequence[Middleware], on_quarantine: Quarantined | None = None
) -> "FeedBroker":
    """A broker with this middleware and no other; on_quarantine is told each message over which workers died."""
    return FeedBroker(_client(settings, SOCKET_TIMEOUT_SECONDS), list(middleware), on_quarantine)


class FeedBroker(RedisBroker):
    """Dramatiq's broker but for what its consumers do, for reasons that decision 21 lists."""

    def __init__(self, client: Any, middleware: list[Middleware], on_quarantine: Quarantined | None = None) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Dramatiq's constructor carries no types
            client=client,
            namespace=NAMESPACE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MILLISECONDS,
            maintenance_chance=0,
            dead_message_ttl=DEAD_LETTER_TTL_MILLISECONDS,
            middleware=middleware,
        )
        self._on_quarantine = on_quarantine
        self._hands: defaultdict[str, Hand] = defaultdict(Hand)
        names = ("ENQUEUE", "FETCH", "START", "ACK", "NACK", "STRANDED", "REQUEUE", "MAINTAIN")
        self._steps = {name: client.register_script(getattr(queue_scripts, name)) for name in names}

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """A consumer that takes no more than there are threads: what waits here could run in another process.

        Dramatiq asks for twice as many as it has threads.
        """
        is_delayed = queue_name.endswith(".DQ")
        room = prefetch if is_delayed else max(1, prefetch // 2)
        return WakingConsumer(self, queue_name, self._hands[queue_name], room, timeout)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Put the message in. A retry, which nobody else remembers, waits for a Redis that is away."""
        deadline = time.monotonic() + (REENQUEUE_WITHIN_SECONDS if delay is not None else 0)
        while True:
            try:
                with lost_connections():
                    return super().enqueue(message, delay=delay)
            except Exception:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(REENQUEUE_PAUSE_SECONDS)

    def do_enqueue(self, queue_name: str, message_id: str, payload: bytes) -> None:
        """Without a sign of life, which would be stamped with this machine's clock."""
        self._steps["ENQUEUE"](keys=[self.namespace], args=[queue_name, message_id, payload])

    def fetch(self, queue: str, count: int) -> list[tuple[str, bytes]]:
        """Up to so many messages, now under this worker's name."""
        found = self._step("FETCH", queue, count)
        return [(message_id.decode(), payload) for message_id, payload in zip(found[::2], found[1::2], strict=True)]

    def wait(self, queue: str, seconds: float) -> bool:
        """Block on the list itself: moving its head to its head changes nothing, and wakes whoever waits."""
        name = f"{self.namespace}:{queue}"
        return self.client.execute_command("BLMOVE", name, name, "LEFT", "LEFT", seconds) is not None

    def start(self, queue: str, message_id: str) -> None:
        """Note that a thread has begun with the message."""
        self._step("START", queue, message_id)

    def ack(self, queue: str, message_id: str) -> None:
        """Forget a message that is done."""
        self._step("ACK", queue, message_id)

    def nack(self, queue: str, message_id: str, error: str) -> None:
        """Lay a message among the dead letters."""
        self._step("NACK", queue, message_id, error)

    def requeue(self, queue: str, message_ids: Iterable[str]) -> None:
        """Put messages back that were fetched."""
        ids = list(message_ids)
        if ids:
            self._step("REQUEUE", queue, *ids)

    def stranded(self, queue: str) -> list[str]:
        """Ids that this process has fetched and not acknowledged."""
        return [message_id.decode() for message_id in self._step("STRANDED", queue)]

    def maintain(self, queue: str) -> None:
        """A sign of life, and back to the queue with what dead workers had in hand."""
        queues = [name for one in Queue for name in (one.value, dq_name(one.value))]
        limits = (HEARTBEAT_TIMEOUT_MILLISECONDS, DEAD_LETTER_TTL_MILLISECONDS, DEATHS_AT_MOST)
        for payload in self._step("MAINTAIN", queue, *limits, *queues):
            message: Message[Any] = Message.decode(payload)
            structlog.get_logger().error("message_quarantined", queue=queue, **message.kwargs)
            self._tell_of(message)

    def _tell_of(self, quarantined: Message[Any]) -> None:
        """The message is a dead letter already: whoever fails to hear of it must not stop the consumer."""
        try:
            if self._on_quarantine is not None:
                self._on_quarantine(quarantined)
        except Exception:
            structlog.get_logger().exception("quarantine_not_told", message_id=quarantined.message_id)

    def _step(self, name: str, queue: str, *arguments: object) -> Any:
        return self._steps[name](keys=[self.namespace], args=[queue, self.broker_id, *arguments])


def _client(settings: Settings, timeout_seconds: float) -> Any:
    """Nothing is sent twice: a fetch whose answer is lost strands its messages until the next consumer finds them."""
    url = settings.effective_broker_url
    options = connection_options(
        url, timeout_seconds=timeout_seconds, verify_tls=settings.redis_tls_verify, variable="BROKER_URL"
    )
    pool = redis.BlockingConnectionPool.from_url(
        url, max_connections=CONNECTIONS, timeout=timeout_seconds, retry=Retry(NoBackoff(), 0), **options
    )
    return redis.Redis.from_pool(pool)
