"""Things that tests are about, with everything that does not matter filled in."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from prometheus_client.parser import text_string_to_metric_families

from core.application.cut_page import CutPage
from core.application.find_feed import FindFeed
from core.application.get_feed import GetFeed
from core.application.get_job import GetJob
from core.application.hide_post import HidePost
from core.application.measure_service import MeasureService
from core.application.offer_popular import OfferPopular
from core.application.reach_sequence import ReachSequence
from core.application.recommend_posts import RecommendPosts
from core.application.record_interactions import RecordInteractions
from core.application.waiting_room import WaitingRoom
from core.domain.composition import ColdStartStrategy, Composition
from core.domain.feed import PROVISIONAL_GENERATION, Feed, FeedOrder, Reason, Recommendation
from core.domain.ids import to_uuid
from core.domain.interaction import Interaction, InteractionType
from core.domain.job import GenerateMessage, Queue
from core.domain.model import ModelRecord, ModelStatus
from core.domain.popular import PopularFeed
from tests.fakes.cached_users import FakeCachedUsers
from tests.fakes.clock import FakeClock
from tests.fakes.due_users import FakeDueUsers
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.feed_cache import FakeFeedCache
from tests.fakes.feed_signals import FakeFeedSignals
from tests.fakes.hidden_posts import FakeHiddenPosts
from tests.fakes.interaction_history import FakeInteractionHistory
from tests.fakes.interaction_log import FakeInteractionLog
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.popular_posts import FakeHeldPopularFeed, FakePopularPosts
from tests.fakes.post_signals import FakePostSignals
from tests.fakes.post_states import FakePostStates
from tests.fakes.queue_levels import FakeQueueLevels
from tests.fakes.renewal_requests import FakeRenewalRequests
from tests.fakes.seen_posts import FakeSeenPosts
from tests.fakes.stale_models import FakeStaleModels
from tests.fakes.stored_feeds import FakeStoredFeeds
from tests.fakes.ticket_store import FakeTicketStore
from tests.fakes.user_sequences import FakeUserSequences
from tests.fakes.visits import FakeVisits

PROJECT = Path(__file__).parents[1]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # FakeClock's first moment
USER = "anna"
FRESH_FOR, EXPIRED_FOR = timedelta(hours=24), timedelta(hours=-1)


def samples_of(exposition: str) -> Mapping[tuple[str, ...], float]:
    """What a scrape of Prometheus gives, by name and the values of its labels, in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def bare_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Nothing that a process of the service would listen to, but where the run keeps its compiled code."""
    kept = {name: os.environ[name] for name in ("PATH", "NUMBA_CACHE_DIR", "PYTHONPYCACHEPREFIX")}
    return {**kept, "PYTHONPATH": str(PROJECT), **variables}


def post(number: int) -> UUID:
    """The same id for the same number."""
    return UUID(int=number)


def feed_of(
    user: str = USER,
    posts: Sequence[int] = (1, 2, 3),
    generation: int = 1,
    epoch: int = 1,
    valid_for: timedelta = FRESH_FOR,
) -> Feed:
    """A collaborative feed, best first."""
    return Feed(
        user_id=to_uuid(user),
        recommendations=tuple(
            Recommendation(post(number), 1 / (place + 1), Reason.COLLABORATIVE_FILTERING)
            for place, number in enumerate(posts)
        ),
        model_version="collaborative_filtering_v1",
        order=FeedOrder(epoch, generation),
        generated_at=NOON,
        expires_at=NOON + valid_for,
    )


def stale_feed_of(user: str = USER, posts: Sequence[int] = (1, 2, 3), generation: int = 1) -> Feed:
    """One that expired an hour ago."""
    return feed_of(user, posts, generation, valid_for=EXPIRED_FOR)


def provisional_feed_of(user: str = USER, posts: Sequence[int] = (1, 2, 3), epoch: int = 1) -> Feed:
    """One that a model made without the history."""
    return feed_of(user, posts, PROVISIONAL_GENERATION, epoch, valid_for=timedelta(minutes=5))


def model_record_of(number: int = 1, trained_at: datetime = NOON) -> ModelRecord:
    """A champion that was trained at noon."""
    return ModelRecord(
        number=number,
        algorithm="user_knn",
        parameters={},
        metrics={},
        sha256="",
        size_bytes=0,
        status=ModelStatus.CHAMPION,
        interaction_count=1,
        user_count=1,
        post_count=1,
        data_from=trained_at,
        data_up_to=trained_at,
        trained_at=trained_at,
    )


def popular_feed_of(*posts: int, generation: int = 7) -> PopularFeed:
    """Popular posts, best first."""
    scores = tuple(1 / (place + 1) for place in range(len(posts)))
    return PopularFeed(tuple(post(number) for number in posts), scores, generation, NOON)


@dataclass
class Stage:
    """The use cases of the serving path over fakes that are connected as the real adapters are.

    User "anna" has one interaction; `next_feed` is what a worker makes for whomever it is told to.
    """

    strategy: ColdStartStrategy = ColdStartStrategy.POPULAR
    next_feed: Feed | None = None
    clock: FakeClock = field(default_factory=FakeClock)
    renew_after: timedelta = timedelta(0)
    signals: FakeFeedSignals = field(default_factory=FakeFeedSignals)
    archive: FakeFeedArchive = field(default_factory=FakeFeedArchive)
    history: FakeInteractionHistory = field(default_factory=FakeInteractionHistory)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)
    queue_levels: FakeQueueLevels = field(default_factory=FakeQueueLevels)
    log: FakeInteractionLog = field(default_factory=FakeInteractionLog)
    due_users: FakeDueUsers = field(default_factory=FakeDueUsers)
    seen_posts: FakeSeenPosts = field(default_factory=FakeSeenPosts)
    tickets: FakeTicketStore = field(default_factory=FakeTicketStore)
    registry: FakeModelRegistry = field(default_factory=FakeModelRegistry)
    waiting_room: WaitingRoom = field(default_factory=lambda: WaitingRoom(100))
    stale_models: FakeStaleModels = field(default_factory=FakeStaleModels)
    hidden_posts: FakeHiddenPosts = field(default_factory=FakeHiddenPosts)
    posts: FakePostStates = field(default_factory=FakePostStates)
    post_signals: FakePostSignals = field(default_factory=FakePostSignals)
    seen_posts: FakeSeenPosts = field(default_factory=FakeSeenPosts)
    sequences: FakeUserSequences = field(default_factory=FakeUserSequences)
    visits: FakeVisits = field(default_factory=FakeVisits)
    renewals: FakeRenewalRequests = field(default_factory=FakeRenewalRequests)
    popular: FakeHeldPopularFeed = field(default_factory=lambda: FakeHeldPopularFeed(popular_feed_of(101, 102, 103)))

    def __post_init__(self) -> None:
        self.cache = FakeFeedCache(self.signals)
        self.tickets.clock = self.clock
        self.interacted(USER)
        if self.next_feed is not None:
            self.queue.on_submit = self.work

    def interacted(self, user: str) -> None:
        """The user has seen one post."""
        self.history.interactions.append(Interaction(to_uuid(user), post(900), InteractionType.VIEW, NOON))

    async def work(self, message: GenerateMessage) -> None:
        """What a worker does with a message."""
        assert self.next_feed is not None
        if self.next_feed.is_provisional:
            await self.cache.put_provisional(self.next_feed)
            return
        await self.archive.put(self.next_feed)
        await self.queue.release(message.user_id)
        await self.cache.put(self.next_feed)

    def stop_workers(self) -> None:
        self.queue.workers[Queue.FEEDS] = 0

    def stop_redis(self) -> None:
        self.cache.unavailable = self.queue.unavailable = self.signals.unavailable = True
        self.seen_posts.unavailable = self.visits.unavailable = self.renewals.unavailable = True

    def stop_postgres(self) -> None:
        self.posts.unavailable = self.archive.unavailable = self.history.unavailable = self.tickets.unavailable = True
        self.registry.unavailable = self.log.unavailable = self.sequences.unavailable = True

    @property
    def offer_popular(self) -> OfferPopular:
        composition = Composition(150, min_score=0.1, cold_start_threshold=5, cold_start_strategy=self.strategy)
        return OfferPopular(self.popular, composition, self.cut_page, self.clock)

    @property
    def cut_page(self) -> CutPage:
        return CutPage(self.hidden_posts)

    @property
    def hide_post(self) -> HidePost:
        return HidePost(self.posts, self.hidden_posts, self.post_signals)

    @property
    def cached_users(self) -> FakeCachedUsers:
        return FakeCachedUsers(self.cache, self.seen_posts)

    @property
    def find_feed(self) -> FindFeed:
        return FindFeed(self.cached_users, self.cache, self.seen_posts, self.archive, self.stale_models, self.clock)

    @property
    def get_feed(self) -> GetFeed:
        return GetFeed(self.find_feed, self.offer_popular, self.cut_page, self.visits)

    @property
    def get_job(self) -> GetJob:
        return GetJob(
            find_feed=self.find_feed,
            reach_sequence=ReachSequence(self.sequences),
            offer_popular=self.offer_popular,
            cut_page=self.cut_page,
            history=self.history,
            queue=self.queue,
            signals=self.signals,
            tickets=self.tickets,
            waiting_room=self.waiting_room,
            clock=self.clock,
        )

    @property
    def record_interactions(self) -> RecordInteractions:
        return RecordInteractions(self.log, self.seen_posts)

    @property
    def measure_service(self) -> MeasureService:
        return MeasureService(
            self.queue_levels,
            self.registry,
            FakePopularPosts(feed=self.popular.feed),
            FakeStoredFeeds(self.archive),
            self.clock,
            self.due_users,
        )

    @property
    def recommend_posts(self) -> RecommendPosts:
        return RecommendPosts(
            find_feed=self.find_feed,
            reach_sequence=ReachSequence(self.sequences),
            offer_popular=self.offer_popular,
            cut_page=self.cut_page,
            renewals=self.renewals,
            visits=self.visits,
            cache=self.cache,
            history=self.history,
            queue=self.queue,
            signals=self.signals,
            tickets=self.tickets,
            waiting_room=self.waiting_room,
            clock=self.clock,
            ticket_ttl=timedelta(hours=1),
            renew_after=self.renew_after,
        )
