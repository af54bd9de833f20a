"""A worker follows the interactions: what was written a moment ago is in the next feed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import dramatiq
import pytest
from structlog.testing import LogCapture

from core.domain.job import Queue
from core.infrastructure.redis_client import open_redis
from core.infrastructure.redis_renewal_requests import RedisRenewalRequests
from core.infrastructure.redis_visits import RedisVisits
from core.settings import Settings
from tests.builders import feed_of
from tests.integration.worker.conftest import Service, until
from tests.integration.worker.test_lifespan import environment, logs, running

__all__ = ["environment", "logs"]

THRESHOLD = Settings().cold_start_min_interactions
IS_DUE = "select exists (select from user_change where user_id = $1 and is_due)"


async def visit(service: Service, user_id: UUID) -> None:
    async with open_redis(service.environment["REDIS_URL"], timeout_seconds=5) as client:
        visits = RedisVisits(client)
        visits.note(user_id)
        await visits.flush()


@pytest.mark.usefixtures("environment", "logs")
async def test_a_visitor_who_acts_gets_a_new_feed_without_asking(service: Service) -> None:
    user_id, seen = uuid4(), uuid4()
    await visit(service, user_id)

    async with running():
        await service.interact(user_id, seen)
        await until(lambda: service.archive.get(user_id), "a feed was archived")

    assert await service.pool.fetchval("select exists (select from user_change where user_id = $1)", user_id)


@pytest.mark.usefixtures("environment")
async def test_visitors_who_act_get_new_feeds_together(service: Service, logs: LogCapture) -> None:
    users = [uuid4(), uuid4()]
    for user_id in users:
        await visit(service, user_id)
        await service.interact(user_id, *(uuid4() for _ in range(THRESHOLD)))

    async with running():
        for user_id in users:
            await until(partial(service.archive.get, user_id), "a feed was archived")

    assert not await service.pool.fetchval("select exists (select from user_change where is_due)")
    told = {entry["event"] for entry in logs.entries}
    assert ("batch_done" in told, "job_done" in told) == (True, False)


@pytest.mark.usefixtures("environment", "logs")
async def test_whoever_reads_what_is_behind_gets_a_new_feed(service: Service) -> None:
    user_id = uuid4()
    await service.interact(user_id, *(uuid4() for _ in range(THRESHOLD)))
    async with open_redis(service.environment["REDIS_URL"], timeout_seconds=5) as client:
        requests = RedisRenewalRequests(client)
        requests.note(user_id)
        await requests.flush()

    async with running():
        await until(lambda: service.archive.get(user_id), "a feed was archived")


@pytest.mark.usefixtures("environment", "logs")
async def test_who_is_not_there_is_due_and_has_no_job(service: Service) -> None:
    user_id = uuid4()

    async with running():
        await service.interact(user_id, uuid4())
        await until(lambda: service.pool.fetchval(IS_DUE, user_id), "the user was due")

    assert await service.archive.get(user_id) is None


@pytest.mark.usefixtures("environment", "logs")
async def test_what_became_due_while_no_worker_lived_is_healed_at_the_start(service: Service) -> None:
    user_id = uuid4()
    await service.interact(user_id, uuid4())
    await service.pool.execute("insert into user_change values ($1, 1, now(), true)", user_id)
    await service.pool.execute("update interaction_watermark set all_before = pg_snapshot_xmax(pg_current_snapshot())")
    await visit(service, user_id)

    async with running():
        await until(lambda: service.archive.get(user_id), "a feed was archived")


@pytest.mark.usefixtures("environment", "logs")
async def test_whose_feed_does_not_know_of_what_was_dated_long_before_it_was_written_is_due(service: Service) -> None:
    user_id = uuid4()
    await service.archive.put(replace(feed_of(), user_id=user_id))
    await service.interact(user_id, uuid4(), at=datetime.now(UTC) - timedelta(days=3))

    async with running():
        await until(lambda: service.pool.fetchval(IS_DUE, user_id), "the user was due")


@pytest.mark.usefixtures("environment", "logs")
async def test_a_worker_for_whom_nobody_waits_does_not_follow(service: Service) -> None:
    before = await service.pool.fetchval("select read_at from interaction_watermark")

    async with running(Queue.FEEDS_BULK):
        broker: Any = dramatiq.get_broker()
        assert broker is not None

    assert await service.pool.fetchval("select read_at from interaction_watermark") == before
