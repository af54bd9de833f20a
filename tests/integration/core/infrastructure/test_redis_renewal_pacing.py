"""One renewal of a user passes per few seconds, in the fake and in Redis; who came to a bad end in a batch is alone."""

from typing import Any
from uuid import uuid4

import pytest

from core.application.ports.renewal_pacing import Admission, RenewalPacing
from core.domain.errors import CacheUnavailable
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_renewal_pacing import IN_HAND_SECONDS, RedisRenewalPacing
from tests.fakes.renewal_pacing import FakeRenewalPacing

FIRST, SECOND = uuid4(), uuid4()


@pytest.fixture(params=["fake", "redis"])
def pacing(request: pytest.FixtureRequest) -> RenewalPacing:
    return FakeRenewalPacing() if request.param == "fake" else RedisRenewalPacing(request.getfixturevalue("client"), 60)


async def test_a_second_renewal_of_a_user_does_not_pass(pacing: RenewalPacing) -> None:
    assert await pacing.admit([FIRST]) == Admission({FIRST})
    await pacing.done([FIRST])

    assert await pacing.admit([FIRST, SECOND]) == Admission({SECOND})
    assert await pacing.admit([FIRST, SECOND]) == Admission()


async def test_thousands_pass_at_once(pacing: RenewalPacing) -> None:
    users = [uuid4() for _ in range(2500)]

    assert await pacing.admit(users) == Admission(set(users))
    await pacing.done(users)


async def test_of_nobody_nobody_passes(pacing: RenewalPacing) -> None:
    await pacing.done([])

    assert await pacing.admit([]) == Admission()


async def test_when_the_pace_is_over_who_was_done_is_with_others_and_who_was_not_is_alone(client: Any) -> None:
    pacing = RedisRenewalPacing(client, 60)
    await pacing.admit([FIRST, SECOND])
    await pacing.done([FIRST])
    await client.delete(f"paced:{FIRST}", f"paced:{SECOND}")  # as if it were that long ago

    assert await pacing.admit([FIRST, SECOND]) == Admission({FIRST}, {SECOND})


async def test_the_fake_says_the_same_when_the_pace_is_over() -> None:
    pacing = FakeRenewalPacing()
    await pacing.admit([FIRST, SECOND])
    await pacing.done([FIRST])
    pacing.let_time_pass()

    assert await pacing.admit([FIRST, SECOND]) == Admission({FIRST}, {SECOND})


@pytest.mark.parametrize("kind", ["fake", "redis"])
async def test_without_its_server_every_call_says_so(kind: str) -> None:
    async with open_redis("redis://127.0.0.1:1/0") as absent:
        pacing = FakeRenewalPacing(unavailable=True) if kind == "fake" else RedisRenewalPacing(absent)

        with pytest.raises(CacheUnavailable):
            await pacing.admit([FIRST])
        with pytest.raises(CacheUnavailable):
            await pacing.done([FIRST])


async def test_one_key_lasts_as_long_as_the_pace_and_the_other_for_an_hour_unless_all_goes_well(client: Any) -> None:
    pacing = RedisRenewalPacing(client, 2.5)

    await pacing.admit([FIRST, SECOND])
    await pacing.done([SECOND])

    assert 2000 < await client.pttl(f"paced:{FIRST}") <= 2500
    assert IN_HAND_SECONDS - 60 < await client.ttl(f"in-hand:{FIRST}") <= IN_HAND_SECONDS
    assert not await client.exists(f"in-hand:{SECOND}")
