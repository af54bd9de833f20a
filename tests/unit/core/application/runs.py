"""A run from its beginning to its end, over fakes that are connected as the real adapters are."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from core.application.compose_feeds import ComposeFeeds
from core.application.continue_run import ContinueRun
from core.application.generate_chunk import GenerateChunk
from core.application.give_way import GiveWay
from core.application.start_run import StartRun
from core.application.sweep_runs import SweepRuns
from core.domain.composition import Composition
from core.domain.interaction import Interaction, InteractionType
from core.domain.job import Queue
from core.domain.levels import QueueLevel
from core.domain.run import Run, RunRequest
from tests.builders import NOON, model_record_of, popular_feed_of, post
from tests.fakes.active_users import FakeActiveUsers
from tests.fakes.clock import FakeClock
from tests.fakes.external_ids import FakeExternalIds
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.feed_cache import FakeFeedCache
from tests.fakes.hidden_posts import FakeHiddenPosts
from tests.fakes.history_batches import FakeHistoryBatches
from tests.fakes.interaction_history import FakeInteractionHistory
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.popular_posts import FakeHeldPopularFeed, FakePopularPosts
from tests.fakes.queue_levels import FakeQueueLevels
from tests.fakes.recommender import FakeRecommender
from tests.fakes.run_ledger import FakeRunLedger

THRESHOLD = 3
EVERYBODY = RunRequest(chunk_size=2, min_posts=THRESHOLD)


def user(number: int) -> UUID:
    return UUID(int=1000 + number)


USERS = [user(number) for number in range(5)]


async def nobody_paces() -> None:
    """Between the portions of an enumeration nothing happens."""


def likes(user_id: UUID, count: int = THRESHOLD, days_ago: float = 0) -> list[Interaction]:
    at = NOON - timedelta(days=days_ago)
    return [Interaction(user_id, post(900 + number), InteractionType.LIKE, at) for number in range(count)]


@dataclass
class BulkStage:
    """Five users at the threshold, a model that ranks two posts, and a queue that holds what is put in."""

    interactions: list[Interaction] = field(default_factory=lambda: [act for one in USERS for act in likes(one)])
    registry: FakeModelRegistry = field(
        default_factory=lambda: FakeModelRegistry(models={1: model_record_of()}, champion=1)
    )
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)
    levels: FakeQueueLevels = field(default_factory=FakeQueueLevels)
    archive: FakeFeedArchive = field(default_factory=FakeFeedArchive)
    cache: FakeFeedCache = field(default_factory=FakeFeedCache)
    external_ids: FakeExternalIds = field(default_factory=FakeExternalIds)
    recommender: FakeRecommender = field(default_factory=lambda: FakeRecommender([(post(1), 2.0), (post(2), 1.0)]))
    hidden_posts: FakeHiddenPosts = field(default_factory=FakeHiddenPosts)
    pauses: list[float] = field(default_factory=list)
    paces: list[float] = field(default_factory=list)
    when_pacing: Callable[[], Awaitable[object]] = nobody_paces

    def __post_init__(self) -> None:
        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        self.ledger = FakeRunLedger(self.archive)
        self.give_way = GiveWay(self.levels, sleep)
        self.history = FakeInteractionHistory(self.interactions)
        self.popular = FakePopularPosts(self.interactions)
        self.active_users = FakeActiveUsers(self.interactions, batch_size=2)

    @property
    def start_run(self) -> StartRun:
        return StartRun(self.ledger, self.registry, self.popular, popular_refresh_seconds=600)

    @property
    def continue_run(self) -> ContinueRun:
        async def sleep(seconds: float) -> None:
            self.paces.append(seconds)
            await self.when_pacing()

        return ContinueRun(self.ledger, self.active_users, self.queue, lambda: sum(self.paces), sleep)

    @property
    def sweep_runs(self) -> SweepRuns:
        return SweepRuns(self.ledger, self.continue_run, self.levels)

    @property
    def generate_chunk(self) -> GenerateChunk:
        return GenerateChunk(
            ledger=self.ledger,
            give_way=self.give_way,
            compose_feeds=self.compose_feeds,
            cache=self.cache,
            queue=self.queue,
        )

    @property
    def compose_feeds(self) -> ComposeFeeds:
        return ComposeFeeds(
            FakeHistoryBatches(self.history),
            self.recommender,
            FakeHeldPopularFeed(popular_feed_of(101, 102)),
            self.hidden_posts,
            self.external_ids,
            FakeClock(),
            Composition(10, min_score=0.1, cold_start_threshold=THRESHOLD),
            valid_for=timedelta(hours=24),
        )

    async def begun(self, request: RunRequest = EVERYBODY, user_ids: Sequence[UUID] | None = None) -> Run:
        return await self.continue_run(await self.start_run(request, "anna", user_ids))

    async def work(self) -> int:
        """What workers do until the queue is empty; how many jobs that took."""
        count = 0
        while self.queue.chunk_messages:
            await self.generate_chunk(self.queue.chunk_messages.pop(0))
            count += 1
        return count

    async def seen(self, run: Run) -> Run:
        found = await self.ledger.find(run.id)
        assert found is not None
        return found

    def people_wait(self, count: int = 1) -> None:
        self.levels.levels[Queue.FEEDS] = QueueLevel(waiting=count)
