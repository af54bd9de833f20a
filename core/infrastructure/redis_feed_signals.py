"""The signals of one process: one connection, however many wait."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from core.infrastructure.redis_client import RedisClient
from core.infrastructure.redis_feed_cache import READY_CHANNEL
from core.infrastructure.task_ending import end_task

POSTS_CHANNEL = "posts-changed"
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.1, 5.0
# A link that has been silent this long is asked for a sign of life, and given up after as long again.
SILENCE_SECONDS = 10.0
# A process starts, deaf for the moment, while Redis is away.
FIRST_LINK_SECONDS = 1.0


class _Ear:
    """One caller's ear; events instead of a queue, as ten signals say no more than one."""

    def __init__(self, over: asyncio.Event) -> None:
        self.event = asyncio.Event()
        self._over = over

    async def heard(self, timeout_seconds: float) -> bool:
        """Wait for a signal; once the process is to stop there is none, at once."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.event.wait()
        except TimeoutError:
            return False
        if self._over.is_set():
            return False
        self.event.clear()
        return True


class RedisFeedSignals:
    """Subscribes again after a drop, and then wakes everybody once: what was missed meanwhile is found by looking."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._ears: dict[bytes, set[_Ear]] = {}
        self._over = asyncio.Event()
        self._tried = asyncio.Event()
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._reading: asyncio.Task[None] | None = None
        self._on_posts_changed: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read_for_ever())
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LINK_SECONDS):
                await self._tried.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wake_all()
        if self._reading is not None:
            await end_task(self._reading)

    @asynccontextmanager
    async def listen(self, user_id: UUID) -> AsyncIterator[_Ear]:
        """An ear that is open inside the block."""
        ear, user = _Ear(self._over), str(user_id).encode()
        if self._over.is_set():
            ear.event.set()
        self._ears.setdefault(user, set()).add(ear)
        try:
            yield ear
        finally:
            self._ears[user].remove(ear)
            if not self._ears[user]:
                del self._ears[user]

    async def send(self, user_id: UUID) -> None:
        """Publish; who is not there to listen looks for himself when he comes."""
        with suppress(RedisError, OSError):
            await self._client.publish(READY_CHANNEL, str(user_id))

    async def send_posts_changed(self) -> None:
        """Publish."""
        with suppress(RedisError, OSError):
            await self._client.publish(POSTS_CHANNEL, b"")

    def on_posts_changed(self, tell: Callable[[], None]) -> None:
        """Tell of every signal about posts, and when some may have been missed."""
        self._on_posts_changed = tell

    def wake_all(self) -> None:
        """End all waiting, now and from now on: the process is about to stop."""
        self._over.set()
        self._let_everybody_look()

    def _let_everybody_look(self) -> None:
        for ears in self._ears.values():
            for ear in ears:
                ear.event.set()

    async def _read_for_ever(self) -> None:
        while True:
            try:
                await self._read_until_the_link_drops()
            except Exception as error:
                # Whatever it is, the next subscription may go well, and nobody else would begin one.
                structlog.get_logger().warning(
                    "signals_lost", error=str(error) or type(error).__name__, retry_in_seconds=self._retry_seconds
                )
            self._tried.set()
            await asyncio.sleep(self._retry_seconds)
            self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)

    async def _read_until_the_link_drops(self) -> None:
        async with self._client.pubsub() as subscription:
            await subscription.subscribe(READY_CHANNEL, POSTS_CHANNEL)
            while True:
                self._take(await _next_message(subscription))

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            self._retry_seconds = FIRST_RETRY_SECONDS
            self._tried.set()
            self._let_everybody_look()
            self._tell_of_posts()
        elif message["type"] == "message" and message["channel"] == POSTS_CHANNEL.encode():
            self._tell_of_posts()
        elif message["type"] == "message":
            for ear in self._ears.get(message["data"], ()):
                ear.event.set()

    def _tell_of_posts(self) -> None:
        if self._on_posts_changed is not None:
            self._on_posts_changed()


async def _next_message(subscription: Any) -> dict[str, Any]:
    """The next message of any type, a pong included. Raises TimeoutError when the link is dead without saying so."""
    message = await subscription.get_message(timeout=SILENCE_SECONDS)
    if message is None:
        await subscription.ping()
        message = await subscription.get_message(timeout=SILENCE_SECONDS)
    if message is None:
        raise TimeoutError("no answer to a ping")
    return dict(message)
