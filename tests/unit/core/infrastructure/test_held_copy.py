"""What a process holds survives any outage: the popular feed stands for all of it."""

import asyncio
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from core.domain.popular import PopularFeed
from core.infrastructure import held_copy
from core.infrastructure.held_popular_feed import HeldPopular
from tests.fakes.popular_posts import FakePopularPosts

FIRST, SECOND = PopularFeed(generation=1), PopularFeed(generation=2)


@dataclass
class WatchedPopularPosts(FakePopularPosts):
    """Tells when it has been read again."""

    read_again: asyncio.Event = field(default_factory=asyncio.Event)
    mistake: Exception | None = None
    is_silent: bool = False

    async def read(self) -> PopularFeed:
        self.read_again.set()
        if self.is_silent:
            await asyncio.Event().wait()
        if self.mistake is not None:
            raise self.mistake
        return await super().read()

    async def was_read_twice(self) -> None:
        """The first of two readings may have begun before; the second is over when the third begins."""
        for _ in range(3):
            self.read_again.clear()
            await asyncio.wait_for(self.read_again.wait(), timeout=5)


async def test_the_first_copy_is_there_on_entry() -> None:
    async with HeldPopular(FakePopularPosts(feed=FIRST)) as held:
        assert held.current() == FIRST


async def test_before_the_first_copy_it_is_empty() -> None:
    async with HeldPopular(FakePopularPosts(unavailable=True)) as held:
        assert held.current() == PopularFeed()


async def test_a_newer_feed_is_picked_up() -> None:
    stored = WatchedPopularPosts(feed=FIRST)

    async with HeldPopular(stored, reload_seconds=0.001) as held:
        stored.feed = SECOND
        await stored.was_read_twice()

        assert held.current() == SECOND


async def test_the_last_copy_is_kept_during_an_outage_that_is_logged_once() -> None:
    stored = WatchedPopularPosts(feed=FIRST)

    with capture_logs() as logs:
        async with HeldPopular(stored, reload_seconds=0.001) as held:
            stored.unavailable = True
            await stored.was_read_twice()

            assert held.current() == FIRST

    assert [entry["event"] for entry in logs] == ["popular_feed_not_reloaded"]


async def test_each_outage_is_logged() -> None:
    stored = FakePopularPosts(feed=FIRST)
    held = HeldPopular(stored)

    with capture_logs() as logs:
        for stored.unavailable in (True, True, False, True):
            await held.reload()

    assert len(logs) == 2


async def test_a_store_that_never_answers_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_copy, "RELOAD_TIMEOUT_SECONDS", 0.01)

    async with HeldPopular(WatchedPopularPosts(is_silent=True)) as held:
        assert held.current() == PopularFeed()


async def test_a_mistake_of_ours_does_not_end_the_reloading() -> None:
    stored = WatchedPopularPosts(feed=FIRST)

    with capture_logs() as logs:
        async with HeldPopular(stored, reload_seconds=0.001) as held:
            stored.mistake = ZeroDivisionError()
            await stored.was_read_twice()
            stored.mistake, stored.feed = None, SECOND
            await stored.was_read_twice()

            assert held.current() == SECOND

    assert logs[0]["event"] == "reload_failed"
