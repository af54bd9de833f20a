"""A consumer that is woken by what it waits for, and loses nothing it has fetched."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import redis
import structlog
from dramatiq import Consumer, Message, MessageProxy
from dramatiq.errors import ConnectionClosed, DecodeError

MAINTENANCE_SECONDS = 5.0
_DELAY_QUEUE = ".DQ"


class QueueInRedis(Protocol):
    """The steps that a consumer takes, each at once."""

    def fetch(self, queue: str, count: int) -> list[tuple[str, bytes]]:
        """Take up to so many messages: ids with payloads, empty where there is none."""
        ...

    def wait(self, queue: str, seconds: float) -> bool:
        """Return as soon as somebody puts a message in, or after so long; whether there is one."""
        ...

    def ack(self, queue: str, message_id: str) -> None:
        """Forget a message that is done."""
        ...

    def nack(self, queue: str, message_id: str, error: str) -> None:
        """Lay a message among the dead letters."""
        ...

    def requeue(self, queue: str, message_ids: Iterable[str]) -> None:
        """Put messages back that were fetched."""
        ...

    def stranded(self, queue: str) -> list[str]:
        """Ids that were fetched by this process and are not acknowledged."""
        ...

    def maintain(self, queue: str) -> None:
        """Give a sign of life, and bring back what dead workers had in hand."""
        ...


class Hand:
    """The ids that worker threads have of one queue; outlives consumers, which are made anew after each outage."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._ids

    def take(self, message_id: str) -> None:
        """A thread has it now."""
        with self._changed:
            self._ids.add(message_id)

    def let_go(self, message_id: str) -> None:
        """No thread has it any more: there is room for another."""
        with self._changed:
            self._ids.discard(message_id)
            self._changed.notify_all()

    def empty(self) -> None:
        """Nobody has anything."""
        with self._changed:
            self._ids.clear()
            self._changed.notify_all()

    def wait_for_room(self, most: int, seconds: float) -> None:
        """Return as soon as fewer than `most` are in hand, or after so long."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ids) < most, seconds)


class WakingConsumer(Consumer):
    """What it replaces polls with pauses of up to a second, also while all threads are busy.

    One that is made after an outage puts back what the last one had fetched and nobody has in hand: messages in its
    cache, delayed ones, and those of a fetch whose answer was lost.
    """

    def __init__(self, queue: QueueInRedis, name: str, hand: Hand, prefetch: int, timeout_milliseconds: int) -> None:
        self._queue = queue
        self._name = name
        self._hand = hand
        self._prefetch = prefetch
        self._timeout_seconds = timeout_milliseconds / 1000
        self._fetched: deque[tuple[str, bytes]] = deque()
        self._maintained_at = -MAINTENANCE_SECONDS
        if name.endswith(_DELAY_QUEUE):
            # Delayed messages are in no thread's hand, and the consumer thread has forgotten them.
            hand.empty()
        with lost_connections():
            queue.requeue(name, [message_id for message_id in queue.stranded(name) if message_id not in hand])

    def ack(self, message: MessageProxy) -> None:
        """Forget the message, and have room for another."""
        with lost_connections():
            self._queue.ack(self._name, _id_of(message))
        self._hand.let_go(_id_of(message))

    def nack(self, message: MessageProxy) -> None:
        """Lay it among the dead letters with what went wrong, and have room for another."""
        with lost_connections():
            self._queue.nack(self._name, _id_of(message), error_of(message))
        self._hand.let_go(_id_of(message))

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Put back what no thread has begun with."""
        ids = [_id_of(message) for message in messages]
        with lost_connections():
            self._queue.requeue(self._name, ids)
        for message_id in ids:
            self._hand.let_go(message_id)

    def __next__(self) -> MessageProxy | None:
        """The next message, None where none comes in time."""
        with lost_connections():
            self._maintain_if_due()
            return self._next()

    def _next(self) -> MessageProxy | None:
        if not self._fetched:
            self._fetch()
        while self._fetched:
            message = self._decoded(*self._fetched.popleft())
            if message is not None:
                return message
        return None

    def _fetch(self) -> None:
        room = self._prefetch - len(self._hand)
        if room <= 0:
            self._hand.wait_for_room(self._prefetch, self._timeout_seconds)
            return
        self._fetched.extend(self._queue.fetch(self._name, room))
        if not self._fetched and self._queue.wait(self._name, self._timeout_seconds):
            self._fetched.extend(self._queue.fetch(self._name, room))

    def _decoded(self, message_id: str, payload: bytes) -> MessageProxy | None:
        """None for what is no message: that one alone goes to the dead letters."""
        if not payload:
            self._queue.ack(self._name, message_id)
            return None
        try:
            message = Message.decode(payload)
        except (DecodeError, TypeError, KeyError) as error:
            structlog.get_logger().error("message_not_readable", queue=self._name, message_id=message_id)
            self._queue.nack(self._name, message_id, f"cannot be read as a message: {error!r}")
            return None
        self._hand.take(message_id)
        return MessageProxy(message.copy(options={"redis_message_id": message_id}))

    def _maintain_if_due(self) -> None:
        if time.monotonic() >= self._maintained_at + MAINTENANCE_SECONDS:
            self._queue.maintain(self._name)
            self._maintained_at = time.monotonic()


def error_of(message: MessageProxy) -> str:
    """What went wrong with a message, for whoever looks at the dead letters."""
    exception: Any = message._exception
    return repr(exception) if exception is not None else str(message.options.get("traceback", "")).strip()


@contextmanager
def lost_connections() -> Iterator[None]:
    """Dramatiq comes back after ConnectionClosed; a time-out is no less of a lost connection."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # Dramatiq carries no types here


def _id_of(message: MessageProxy) -> str:
    return str(message.options["redis_message_id"])
