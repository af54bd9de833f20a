"""Whose feed is to be made anew one worker hears, in the fake and in Redis."""

from typing import Any
from uuid import uuid4

import pytest

from core.application.ports.renewal_requests import RenewalRequests
from core.domain.errors import CacheUnavailable
from core.infrastructure import noted_users, redis_renewal_requests
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_renewal_requests import KEPT_SECONDS, REQUESTS_KEY, RedisRenewalRequests
from tests.fakes.renewal_requests import FakeRenewalRequests

FIRST, SECOND = uuid4(), uuid4()


@pytest.fixture(params=["fake", "redis"])
def processes(request: pytest.FixtureRequest) -> tuple[RenewalRequests, RenewalRequests]:
    """The requests as a web process and a worker have them."""
    if request.param == "fake":
        one = FakeRenewalRequests()
        return one, FakeRenewalRequests(one.asked)
    client = request.getfixturevalue("client")
    return RedisRenewalRequests(client), RedisRenewalRequests(client)


async def test_who_asks_again_and_again_is_taken_once(processes: tuple[RenewalRequests, RenewalRequests]) -> None:
    web, worker = processes
    for _ in range(2):
        web.note(FIRST)
        web.note(FIRST)
        await web.flush()

    assert list(await worker.take(10)) == [FIRST]
    assert list(await worker.take(10)) == []


async def test_before_a_flush_nobody_hears_of_it(processes: tuple[RenewalRequests, RenewalRequests]) -> None:
    web, worker = processes
    web.note(FIRST)

    assert list(await worker.take(10)) == []


async def test_thousands_are_taken_some_at_a_time(processes: tuple[RenewalRequests, RenewalRequests]) -> None:
    web, worker = processes
    users = {uuid4() for _ in range(2500)}
    for user in users:
        web.note(user)
    await web.flush()

    some, rest = await worker.take(2000), await worker.take(2000)

    assert (len(some), len(rest)) == (2000, 500)
    assert {*some, *rest} == users


@pytest.mark.parametrize("kind", ["fake", "redis"])
async def test_without_its_server_every_call_says_so(kind: str) -> None:
    async with open_redis("redis://127.0.0.1:1/0") as absent:
        requests: RenewalRequests = (
            FakeRenewalRequests(unavailable=True) if kind == "fake" else RedisRenewalRequests(absent)
        )
        requests.note(FIRST)

        with pytest.raises(CacheUnavailable):
            await requests.flush()
        with pytest.raises(CacheUnavailable):
            await requests.take(1)


async def test_what_nobody_takes_is_forgotten(client: Any) -> None:
    requests = RedisRenewalRequests(client)
    requests.note(FIRST)

    await requests.flush()

    assert 0 < await client.ttl(REQUESTS_KEY) <= KEPT_SECONDS


async def test_there_is_room_for_so_many_here_and_so_many_there(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noted_users, "NOTED_AT_MOST", 1)
    monkeypatch.setattr(redis_renewal_requests, "_FLUSH", redis_renewal_requests._FLUSH.replace("100000", "1"))
    requests = RedisRenewalRequests(client)
    for users in ((FIRST, SECOND), (SECOND,)):
        for user in users:
            requests.note(user)
        await requests.flush()

    assert list(await requests.take(10)) == [FIRST]
