"""What is said of posts is kept, in the fake and in Postgres, and found by whoever looks for changes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from core.application.ports.post_states import PostStates
from core.domain.errors import ArchiveUnavailable
from core.domain.post_state import PostState
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.postgres_post_states import LOOK_AHEAD, OVERLAP, PostgresPostStates
from tests.fakes.post_states import FakePostStates
from tests.integration.core.infrastructure.postgres_rows import post

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def states(url: str | None) -> AsyncIterator[PostStates]:
    if url is None:
        yield FakePostStates()
        return
    async with open_pool(url) as pool:
        yield PostgresPostStates(pool)


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def hidden_in(pool: Pool) -> list[PostState]:
    return [state async for states in PostgresPostStates(pool).read_hidden() for state in states]


async def test_what_was_said_of_a_post_is_read_back(states: PostStates) -> None:
    kept = await states.put(post(1), hidden=True, expires_at=NOW)

    assert kept == await states.get(post(1)) == PostState(post(1), True, NOW)
    assert await states.get(post(2)) is None


async def test_later_words_replace_all_of_the_earlier_ones(states: PostStates) -> None:
    await states.put(post(1), hidden=True, expires_at=NOW)

    await states.put(post(1), hidden=False, expires_at=None)

    assert await states.get(post(1)) == PostState(post(1))


@pytest.mark.parametrize("year", [1, 9999])
async def test_any_moment_of_the_calendar_can_be_kept(states: PostStates, year: int) -> None:
    moment = datetime(year, 6, 1, tzinfo=UTC)

    assert (await states.put(post(1), hidden=False, expires_at=moment)).expires_at == moment


async def test_all_are_read_that_are_hidden_or_will_have_expired_within_a_day(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.infrastructure.postgres_post_states.PAGE", 2)
    states = PostgresPostStates(pool)
    for number, (hidden, expires_at) in enumerate([
        (True, None), (False, NOW - HOUR), (False, NOW + HOUR), (False, NOW + LOOK_AHEAD + HOUR), (False, None),
        (True, NOW + LOOK_AHEAD + HOUR),
    ]):  # fmt: skip
        await states.put(post(number), hidden=hidden, expires_at=expires_at)

    assert [state.post_id for state in await hidden_in(pool)] == [post(0), post(1), post(2), post(5)]


async def test_of_changes_those_since_a_moment_are_found_and_no_others(pool: Pool) -> None:
    states = PostgresPostStates(pool)
    await states.put(post(1), hidden=True, expires_at=None)

    found = await states.read_changes(LONG_AGO)
    nothing = await states.read_changes(found.moment + OVERLAP)

    assert list(found.states) == [PostState(post(1), hidden=True)]
    assert list(nothing.states) == []


async def test_a_post_is_named_again_when_its_expiry_has_come_near(pool: Pool) -> None:
    states = PostgresPostStates(pool)
    moment = await states.moment()
    await states.put(post(1), hidden=False, expires_at=moment + LOOK_AHEAD - timedelta(seconds=1))
    await states.put(post(2), hidden=False, expires_at=moment + LOOK_AHEAD + HOUR)
    later = moment + OVERLAP + timedelta(days=1)

    await pool.execute("alter table post_state disable trigger all")
    await pool.execute("update post_state set changed_at = $1", LONG_AGO)

    assert [state.post_id for state in (await states.read_changes(moment - HOUR)).states] == [post(1)]
    assert list((await states.read_changes(later)).states) == []


async def test_whoever_writes_a_row_its_change_is_found(pool: Pool) -> None:
    await pool.execute("insert into post_state (id, hidden, changed_at) values ($1, true, $2)", post(1), LONG_AGO)
    moment = await PostgresPostStates(pool).moment()
    await pool.execute("update post_state set hidden = false, changed_at = $1", LONG_AGO)

    assert list((await PostgresPostStates(pool).read_changes(moment)).states) == [PostState(post(1))]


async def test_while_postgres_is_away_it_says_so() -> None:
    async with open_pool("postgresql://nobody@127.0.0.1:1/nothing") as nowhere:
        states = PostgresPostStates(nowhere)

        with pytest.raises(ArchiveUnavailable):
            await states.put(post(1), hidden=True, expires_at=None)
