"""What an operator is told."""

from core.application.describe_service import DescribeService
from core.domain.job import Queue
from core.domain.levels import DueLevel
from tests.fakes.clock import FakeClock
from tests.fakes.due_users import FakeDueUsers
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.schedule_book import FakeScheduleBook
from tests.fakes.service_facts import FakeServiceFacts


def describing(facts: FakeServiceFacts, queue: FakeJobQueue) -> DescribeService:
    return DescribeService(
        facts, FakeModelRegistry(), FakeFeedArchive(), queue, FakeClock(), FakeScheduleBook(), FakeDueUsers()
    )


async def test_data_model_feeds_and_queues_are_told() -> None:
    described = await describing(FakeServiceFacts(), FakeJobQueue())()

    assert described.schema_revision == "0001"
    assert described.interactions is not None
    assert described.interactions.count == 0
    assert described.serving is not None
    assert described.serving.model is None
    assert described.due == DueLevel()
    assert described.queues is not None
    assert described.queues.workers == {Queue.FEEDS: 1, Queue.FEEDS_BULK: 1}


async def test_before_the_first_migration_only_the_queues_are_told() -> None:
    described = await describing(FakeServiceFacts(revision=None), FakeJobQueue())()

    assert described.schema_revision is None
    assert described.feeds is None
    assert described.queues is not None


async def test_without_redis_the_rest_is_still_told() -> None:
    described = await describing(FakeServiceFacts(), FakeJobQueue(unavailable=True))()

    assert described.feeds is not None
    assert described.queues is None
