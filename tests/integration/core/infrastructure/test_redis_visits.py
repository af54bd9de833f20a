"""Recent visitors are known to all processes, in the fake and in Redis."""

import time
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from core.application.ports.visits import Visits
from core.domain.errors import CacheUnavailable
from core.infrastructure import noted_users, redis_visits
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_visits import RECENT_SECONDS, TOLD_SHARE, VISITS_KEY, RedisVisits
from tests.fakes.visits import FakeVisits

FIRST, SECOND, STRANGER = uuid4(), uuid4(), uuid4()


@pytest.fixture(params=["fake", "redis"])
def processes(request: pytest.FixtureRequest) -> tuple[Visits, Visits]:
    """The visits as two processes have them."""
    if request.param == "fake":
        one = FakeVisits()
        return one, FakeVisits(one.visitors)
    client = request.getfixturevalue("client")
    return RedisVisits(client), RedisVisits(client)


async def all_recent(visits: Visits) -> list[UUID]:
    return [user async for some in visits.recent() for user in some]


async def test_a_visit_is_known_everywhere_once_it_is_flushed(processes: tuple[Visits, Visits]) -> None:
    one, other = processes
    one.note(FIRST)
    one.note(FIRST)
    before = await other.recent_among([FIRST])

    await one.flush()

    assert before == set()
    assert await other.recent_among([FIRST, STRANGER]) == {FIRST}
    assert await all_recent(other) == [FIRST]


async def test_a_flush_without_visits_changes_nothing(processes: tuple[Visits, Visits]) -> None:
    one, other = processes
    one.note(FIRST)
    await one.flush()

    await one.flush()
    await other.flush()

    assert await other.recent_among([FIRST]) == {FIRST}


async def test_where_nobody_came_nobody_is_recent(processes: tuple[Visits, Visits]) -> None:
    assert await processes[0].recent_among([FIRST]) == set()
    assert await all_recent(processes[0]) == []


async def test_thousands_of_visitors_are_told_once_each(processes: tuple[Visits, Visits]) -> None:
    users = {uuid4() for _ in range(2500)}
    for user in users:
        processes[0].note(user)
    await processes[0].flush()

    assert await processes[1].recent_among([*users, STRANGER]) == users
    assert sorted(await all_recent(processes[1])) == sorted(users)


@pytest.mark.parametrize("kind", ["fake", "redis"])
@pytest.mark.parametrize("call", ["flush", "recent_among", "recent"])
async def test_without_its_server_every_call_says_so(kind: str, call: str) -> None:
    async with open_redis("redis://127.0.0.1:1/0") as absent:
        visits: Visits = FakeVisits(unavailable=True) if kind == "fake" else RedisVisits(absent)
        visits.note(FIRST)
        calls = {
            "flush": visits.flush,
            "recent_among": lambda: visits.recent_among([FIRST]),
            "recent": lambda: all_recent(visits),
        }

        with pytest.raises(CacheUnavailable):
            await calls[call]()


async def test_a_visit_counts_for_ten_minutes_of_the_servers_clock(client: Any) -> None:
    visits = RedisVisits(client)
    visits.note(FIRST)
    visits.note(SECOND)
    await visits.flush()

    await client.zincrby(VISITS_KEY, -RECENT_SECONDS, FIRST.bytes)  # as if it were that long ago

    assert await visits.recent_among([FIRST, SECOND]) == {SECOND}
    assert await all_recent(visits) == [SECOND]


async def test_old_visits_and_those_beyond_the_most_are_dropped(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_visits, "_FLUSH", redis_visits._FLUSH.replace("-100001", "-3"))
    visits = RedisVisits(client)
    await client.zadd(VISITS_KEY, {b"old": 1, b"newest": 4_000_000_000, b"newer": 3_999_999_999})
    visits.note(FIRST)

    await visits.flush()

    assert await client.zrange(VISITS_KEY, 0, -1) == [b"newer", b"newest"]
    assert 0 < await client.ttl(VISITS_KEY) <= RECENT_SECONDS


async def test_a_process_notes_no_more_than_there_is_room_for(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noted_users, "NOTED_AT_MOST", 1)
    visits = RedisVisits(client)
    visits.note(FIRST)
    visits.note(SECOND)

    await visits.flush()

    assert await all_recent(visits) == [FIRST]


async def test_who_comes_again_and_again_is_told_of_now_and_then(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visits = RedisVisits(client)
    visits.note(FIRST)
    await visits.flush()
    told_at = await client.zscore(VISITS_KEY, FIRST.bytes)

    visits.note(FIRST)
    visits.note(SECOND)
    await visits.flush()

    assert await client.zscore(VISITS_KEY, FIRST.bytes) == told_at
    assert await visits.recent_among([FIRST, SECOND]) == {FIRST, SECOND}
    later = time.monotonic() + TOLD_SHARE * RECENT_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    await visits.flush()
    visits.note(FIRST)
    await visits.flush()
    assert await client.zscore(VISITS_KEY, FIRST.bytes) > told_at


async def test_what_could_not_be_told_is_told_at_the_next_visit(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visits = RedisVisits(client)
    visits.note(FIRST)
    with monkeypatch.context() as away:
        away.setattr(visits, "_flush", mock.AsyncMock(side_effect=RedisConnectionError("away")))
        with pytest.raises(CacheUnavailable):
            await visits.flush()

    visits.note(FIRST)
    await visits.flush()

    assert await visits.recent_among([FIRST]) == {FIRST}
