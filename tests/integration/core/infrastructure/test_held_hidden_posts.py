"""What a process knows of hidden posts follows the table and the clock."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from core.infrastructure.held_hidden_posts import HeldHiddenPosts
from core.infrastructure.hidden_keys import HiddenChange
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_post_states import LOOK_AHEAD, PostgresPostStates
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_feed_signals import RedisFeedSignals
from tests.integration.core.infrastructure.postgres_rows import post

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
SOON_SECONDS = 10.0
NEVER_SECONDS = 1e6


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that looks only when it is told to."""
    for name in ("LOOK_SECONDS", "READ_ALL_SECONDS"):
        monkeypatch.setattr(f"core.infrastructure.held_hidden_posts.{name}", NEVER_SECONDS)


async def hide(pool: Pool, number: int, expires_at: datetime | None = None) -> None:
    await PostgresPostStates(pool).put(post(number), hidden=expires_at is None, expires_at=expires_at)


async def show(pool: Pool, number: int) -> None:
    await PostgresPostStates(pool).put(post(number), hidden=False, expires_at=None)


async def until(condition: Callable[[], bool], look: Callable[[], Awaitable[object]]) -> None:
    """Ask a real server something until it is so."""
    async with asyncio.timeout(SOON_SECONDS):
        while not condition():
            await look()


async def test_what_was_hidden_before_the_process_began_is_known(pool: Pool) -> None:
    await hide(pool, 1)

    async with HeldHiddenPosts(PostgresPostStates(pool)) as held:
        assert post(1) in held.current()
        assert post(2) not in held.current()


async def test_what_is_hidden_or_shown_later_is_known_without_a_word(pool: Pool) -> None:
    async with HeldHiddenPosts(PostgresPostStates(pool)) as held:
        await hide(pool, 1)
        await until(lambda: post(1) in held.current(), lambda: pool.fetchval("select 1"))

        await show(pool, 1)
        await until(lambda: post(1) not in held.current(), lambda: pool.fetchval("select 1"))


async def test_a_signal_makes_it_look_at_once(pool: Pool, redis_url: str, asleep: None) -> None:
    async with (
        open_redis(redis_url, timeout_seconds=5) as client,
        RedisFeedSignals(client) as signals,
        HeldHiddenPosts(PostgresPostStates(pool)) as held,
    ):
        signals.on_posts_changed(held.wake)
        await hide(pool, 1)

        await RedisFeedSignals(client).send_posts_changed()

        await until(lambda: post(1) in held.current(), client.ping)


async def test_when_signals_may_have_been_missed_it_looks_too(pool: Pool, redis_url: str, asleep: None) -> None:
    async with (
        open_redis(redis_url, timeout_seconds=5) as client,
        RedisFeedSignals(client) as signals,
        HeldHiddenPosts(PostgresPostStates(pool)) as held,
    ):
        signals.on_posts_changed(held.wake)
        await hide(pool, 1)

        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        await until(lambda: post(1) in held.current(), client.ping)


async def test_who_has_changed_something_knows_it_at_once(pool: Pool, asleep: None) -> None:
    async with HeldHiddenPosts(PostgresPostStates(pool)) as held:
        await hide(pool, 1)
        await held.catch_up()
        first = post(1) in held.current()

        await show(pool, 1)
        await held.catch_up()

        assert (first, post(1) in held.current()) == (True, False)


async def test_a_post_expires_to_the_moment_by_the_holders_clock(pool: Pool, asleep: None) -> None:
    now = time.time()
    moment = datetime.fromtimestamp(now, UTC) + timedelta(seconds=30)
    async with HeldHiddenPosts(PostgresPostStates(pool), lambda: now) as held:
        await hide(pool, 1, moment)
        await held.catch_up()
        now = moment.timestamp() - 0.001
        before = post(1) in held.current()

        now = moment.timestamp()

        assert (before, post(1) in held.current()) == (False, True)


async def test_what_is_said_before_a_post_expires_counts_and_not_its_old_moment(pool: Pool, asleep: None) -> None:
    now = time.time()
    moment = datetime.fromtimestamp(now, UTC) + timedelta(seconds=30)
    async with HeldHiddenPosts(PostgresPostStates(pool), lambda: now) as held:
        await hide(pool, 1, moment)
        await hide(pool, 2, moment)
        await held.catch_up()
        await show(pool, 1)
        await hide(pool, 2, moment + timedelta(seconds=30))
        await held.catch_up()

        now = moment.timestamp()
        between = [post(1) in held.current(), post(2) in held.current()]
        now = moment.timestamp() + 30

        assert (between, post(1) in held.current(), post(2) in held.current()) == ([False, False], False, True)


async def test_posts_expire_while_postgres_is_away_and_what_is_known_stays(pool: Pool) -> None:
    now = time.time()
    moment = datetime.fromtimestamp(now, UTC) + LOOK_AHEAD - timedelta(hours=1)
    await hide(pool, 1)
    await hide(pool, 2, moment)
    states = PostgresPostStates(pool)
    async with HeldHiddenPosts(states, lambda: now) as held, open_pool(NOWHERE) as nowhere:
        states._pool = nowhere
        with capture_logs() as logs:
            await held.catch_up()
            await held.catch_up()
        now = moment.timestamp()

        assert post(1) in held.current()
        assert post(2) in held.current()
    assert [line["event"] for line in logs] == ["hidden_posts_not_read"]


async def test_a_process_starts_while_postgres_is_away_and_knows_as_soon_as_it_is_back(pool: Pool) -> None:
    await hide(pool, 1)
    async with open_pool(NOWHERE) as nowhere:
        states = PostgresPostStates(nowhere)
        async with HeldHiddenPosts(states) as held:
            before = post(1) in held.current()
            states._pool = pool

            await until(lambda: post(1) in held.current(), lambda: pool.fetchval("select 1"))

    assert not before


async def test_a_row_that_was_deleted_is_missed_by_no_more_than_a_minute(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.infrastructure.held_hidden_posts.READ_ALL_SECONDS", 0.01)
    await hide(pool, 1)
    async with HeldHiddenPosts(PostgresPostStates(pool)) as held:
        await pool.execute("delete from post_state")

        await until(lambda: post(1) not in held.current(), lambda: pool.fetchval("select 1"))


async def test_the_version_changes_with_what_is_hidden_and_with_nothing_else(pool: Pool, asleep: None) -> None:
    async with HeldHiddenPosts(PostgresPostStates(pool)) as held:
        versions = [held.current().version]
        for change in (hide, hide, show):
            await change(pool, 1)
            await held.catch_up()
            versions.append(held.current().version)

    assert versions[0] < versions[1] == versions[2] < versions[3]


async def test_the_bytes_of_their_ids_are_at_hand(pool: Pool, asleep: None) -> None:
    post_id = uuid4()
    async with HeldHiddenPosts(PostgresPostStates(pool)) as held:
        nothing_hidden = set(held.current().keys)
        await PostgresPostStates(pool).put(post_id, hidden=True, expires_at=None)
        await held.catch_up()

        assert nothing_hidden == set()
        assert held.current().keys == {post_id.bytes}


async def test_who_wants_to_know_is_told_of_each_change_and_of_nothing_else(pool: Pool, asleep: None) -> None:
    now, told = time.time(), list[tuple[set[UUID], set[UUID]]]()
    moment = datetime.fromtimestamp(now, UTC) + timedelta(seconds=30)

    def tell(change: HiddenChange) -> None:
        told.append(tuple({UUID(bytes=key) for key in keys} for keys in change))

    await hide(pool, 1)
    async with HeldHiddenPosts(PostgresPostStates(pool), lambda: now, tell) as held:
        await hide(pool, 2, moment)
        await held.catch_up()
        await held._tried(held._read_all)
        await hide(pool, 3)
        await held.catch_up()
        now = moment.timestamp()
        await show(pool, 1)
        await held.catch_up()
        await pool.execute("delete from post_state where id = $1", post(3))
        await held._tried(held._read_all)

    assert told == [({post(1)}, set()), ({post(3)}, set()), ({post(2)}, {post(1)}), (set(), {post(3)})]


async def test_reading_all_again_tells_of_no_other_version_where_nothing_is_different(pool: Pool, asleep: None) -> None:
    await hide(pool, 1)
    async with HeldHiddenPosts(PostgresPostStates(pool)) as held:
        before = held.current().version

        await held._read_all()
        same = held.current().version
        await pool.execute("delete from post_state")
        await held._read_all()

        assert before == same < held.current().version
