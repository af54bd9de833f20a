"""One job of a user passes per few seconds, in the fake and in Redis."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from core.application.ports.job_pacing import JobPacing
from core.domain.errors import CacheUnavailable
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_job_pacing import RedisJobPacing
from tests.fakes.job_pacing import FakeJobPacing

FIRST, SECOND = uuid4(), uuid4()


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Any]:
    async with open_redis(redis_url, timeout_seconds=5) as opened:
        yield opened


@pytest.fixture(params=["fake", "redis"])
def pacing(request: pytest.FixtureRequest) -> JobPacing:
    return FakeJobPacing() if request.param == "fake" else RedisJobPacing(request.getfixturevalue("client"), 60)


async def test_a_second_job_of_a_user_does_not_pass(pacing: JobPacing) -> None:
    assert await pacing.admit([FIRST]) == {FIRST}

    assert await pacing.admit([FIRST, SECOND]) == {SECOND}
    assert await pacing.admit([FIRST, SECOND]) == set()


async def test_thousands_pass_at_once(pacing: JobPacing) -> None:
    users = [uuid4() for _ in range(2500)]

    assert await pacing.admit(users) == set(users)


async def test_of_nobody_nobody_passes(pacing: JobPacing) -> None:
    assert await pacing.admit([]) == set()


@pytest.mark.parametrize("kind", ["fake", "redis"])
async def test_without_its_server_every_call_says_so(kind: str) -> None:
    async with open_redis("redis://127.0.0.1:1/0") as absent:
        pacing = FakeJobPacing(unavailable=True) if kind == "fake" else RedisJobPacing(absent)

        with pytest.raises(CacheUnavailable):
            await pacing.admit([FIRST])


async def test_the_key_lasts_as_long_as_the_pace(client: Any) -> None:
    await RedisJobPacing(client, 2.5).admit([FIRST])

    assert 2000 < await client.pttl(f"paced:{FIRST}") <= 2500
