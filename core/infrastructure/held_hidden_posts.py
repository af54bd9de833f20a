"""The hidden posts that a process keeps at hand."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime
from heapq import heappop, heappush
from math import inf
from types import TracebackType
from typing import Self

import structlog

from core.domain.errors import ThreadsMlError
from core.domain.post_state import PostState
from core.infrastructure.hidden_keys import HiddenChange, HiddenKeys
from core.infrastructure.postgres_post_states import PostgresPostStates
from core.infrastructure.task_ending import end_task

LOOK_SECONDS, READ_ALL_SECONDS = 0.5, 60.0
# However many signals come in: a look costs about a millisecond.
PAUSE_SECONDS = 0.05
FIRST_READING_SECONDS = 10.0


class _Told:
    """What the table has said: posts hidden by now, and those that will be at a moment to come.

    expiries: a heap of moments, in seconds since 1970, and posts; of some posts something else has been said since.
    """

    def __init__(self) -> None:
        self.hidden = HiddenKeys()
        self.expiries: list[tuple[float, bytes]] = []
        self._latest: dict[bytes, float] = {}

    def take(self, states: Iterable[PostState], now: float) -> None:
        """Later words about a post replace the earlier ones."""
        for state in states:
            key, hidden_from = state.post_id.bytes, state.hidden_from
            self._latest.pop(key, None)
            if hidden_from <= now:
                self.hidden.add(key)
                continue
            self.hidden.remove(key)
            if hidden_from < inf:
                self._latest[key] = hidden_from
                heappush(self.expiries, (hidden_from, key))

    def expire(self, now: float) -> None:
        """Hide the posts whose time is over."""
        while self.expiries and self.expiries[0][0] <= now:
            moment, key = heappop(self.expiries)
            if self._latest.get(key) == moment:  # nothing else was said of it since
                del self._latest[key]
                self.hidden.add(key)


class HeldHiddenPosts:
    """Looks for changes twice a second and when it is woken; reads all of it once a minute, for rows that were deleted
    or written by a transaction that was open for long."""

    def __init__(
        self,
        states: PostgresPostStates,
        now: Callable[[], float] = time.time,
        on_change: Callable[[HiddenChange], None] | None = None,
    ) -> None:
        """now: seconds since 1970, by which posts expire; on_change: told what a look has found to be different."""
        self._on_change = on_change
        self._states = states
        self._now = now
        self._told = _Told()
        self._read_at: datetime | None = None  # by the server's clock
        self._meanwhile: list[PostState] = []
        self._looking, self._reading_all = asyncio.Lock(), asyncio.Lock()
        self._woken = asyncio.Event()
        self._is_away = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._tried(self._first_reading)
        self._tasks = [asyncio.create_task(self._look_for_ever()), asyncio.create_task(self._read_all_for_ever())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            await end_task(task)

    def current(self) -> HiddenKeys:
        """Those hidden or expired by now."""
        told = self._told
        if told.expiries and told.expiries[0][0] <= (now := self._now()):
            told.expire(now)
        return told.hidden

    async def catch_up(self) -> None:
        """Look now; where Postgres does not answer, the next look will."""
        await self._tried(self._look)

    def wake(self) -> None:
        """Look soon: somebody says that something has changed."""
        self._woken.set()

    async def _look_for_ever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
                    await asyncio.sleep(PAUSE_SECONDS)
            self._woken.clear()
            await self._tried(self._look)

    async def _read_all_for_ever(self) -> None:
        while True:
            await asyncio.sleep(READ_ALL_SECONDS)
            await self._tried(self._read_all)

    async def _first_reading(self) -> None:
        async with asyncio.timeout(FIRST_READING_SECONDS):
            await self._read_all()

    async def _look(self) -> None:
        if self._read_at is None:
            await self._read_all()
            return
        async with self._looking:
            changes = await self._states.read_changes(self._read_at)
            self._told.take(changes.states, self._now())
            if self._reading_all.locked():
                self._meanwhile.extend(changes.states)
            self._read_at = changes.moment

    async def _read_all(self) -> None:
        """Beside the looks, which go on meanwhile: what they find is taken again at the end."""
        async with self._reading_all:
            moment, told = await self._states.moment(), _Told()
            self._meanwhile = []
            async for states in self._states.read_hidden():
                told.take(states, self._now())
            told.take(self._meanwhile, self._now())
            told.hidden.take_the_place_of(self._told.hidden)
            self._told = told
            self._read_at = self._read_at or moment

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> None:
        """The last good copy stays where nobody answers."""
        try:
            await work()
        except (ThreadsMlError, TimeoutError) as error:
            if not self._is_away:
                structlog.get_logger().warning("hidden_posts_not_read", error=str(error) or "no answer in time")
            self._is_away = True
        except Exception:
            # A mistake of ours: it is logged each time, and must not make this look the last.
            structlog.get_logger().exception("hidden_posts_not_read")
        else:
            self._is_away = False
        self._tell()

    def _tell(self) -> None:
        change = self.current().take_change()
        if self._on_change is not None and any(change):
            self._on_change(change)
