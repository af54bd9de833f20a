"""What a worker does for a message, and in which order."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from core.application.generate_feed import SESSION_VALID_FOR, UNMET_VALID_FOR, VALID_WITHOUT_MODEL, GenerateFeed
from core.application.make_provisional_feed import MakeProvisionalFeed
from core.domain.composition import Composition
from core.domain.errors import ArchiveUnavailable
from core.domain.feed import Feed, FeedOrder, Reason
from core.domain.interaction import Interaction, InteractionType
from core.domain.job import GenerateMessage, JobState
from core.domain.popular import PopularFeed
from tests.fakes.clock import FakeClock
from tests.fakes.external_ids import FakeExternalIds
from tests.fakes.feed_archive import FakeFeedArchive
from tests.fakes.feed_cache import FakeFeedCache
from tests.fakes.feed_signals import FakeFeedSignals
from tests.fakes.hidden_posts import FakeHiddenPosts
from tests.fakes.interaction_history import FakeInteractionHistory
from tests.fakes.job_queue import FakeJobQueue
from tests.fakes.popular_posts import FakeHeldPopularFeed
from tests.fakes.recommender import FakeRecommender

CLOCK = FakeClock()
USER, STRANGER = UUID(int=1), UUID(int=2)
SEEN, FOUND, POPULAR = UUID(int=11), UUID(int=12), UUID(int=13)
MESSAGE = GenerateMessage(USER, "request-1")
VALID_FOR = timedelta(hours=24)


@dataclass
class Surroundings:
    """Everything around the use case."""

    recommender: FakeRecommender = field(default_factory=lambda: FakeRecommender([(SEEN, 3.0), (FOUND, 2.0)], epoch=3))
    history: FakeInteractionHistory = field(
        default_factory=lambda: FakeInteractionHistory([Interaction(USER, SEEN, InteractionType.LIKE, CLOCK.now())])
    )
    signals: FakeFeedSignals = field(default_factory=FakeFeedSignals)
    archive: FakeFeedArchive = field(default_factory=FakeFeedArchive)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)
    external_ids: FakeExternalIds = field(default_factory=FakeExternalIds)
    hidden_posts: FakeHiddenPosts = field(default_factory=FakeHiddenPosts)

    def __post_init__(self) -> None:
        self.cache = FakeFeedCache(self.signals)

    async def generate(self, message: GenerateMessage = MESSAGE, threshold: int = 1) -> Feed | None:
        popular = FakeHeldPopularFeed(PopularFeed((SEEN, POPULAR), (1.0, 0.5), generation=1))
        composition = Composition(depth=150, min_score=0.1, cold_start_threshold=threshold)
        generate_feed = GenerateFeed(
            history=self.history,
            recommender=self.recommender,
            popular=popular,
            hidden_posts=self.hidden_posts,
            external_ids=self.external_ids,
            archive=self.archive,
            cache=self.cache,
            queue=self.queue,
            clock=CLOCK,
            composition=composition,
            valid_for=VALID_FOR,
            make_provisional_feed=MakeProvisionalFeed(
                self.recommender, popular, self.hidden_posts, self.external_ids, self.cache, CLOCK, composition
            ),
        )
        return await generate_feed(message)


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


async def test_the_feed_of_a_user_is_stored_for_good_and_for_speed(around: Surroundings) -> None:
    feed = await around.generate()

    assert feed is not None
    assert [(item.post_id, item.reason) for item in feed.recommendations] == [
        (FOUND, Reason.COLLABORATIVE_FILTERING),
        (POPULAR, Reason.POPULAR),
    ]
    assert around.archive.feeds == around.cache.feeds == {USER: feed}


async def test_a_feed_names_its_model_its_order_and_the_moment_up_to_which_it_was_built(around: Surroundings) -> None:
    around.history.generation = 41
    around.history.sequences[USER] = 17

    feed = await around.generate()

    assert feed is not None
    assert feed.model_version == "collaborative_filtering_v1"
    assert feed.order == FeedOrder(epoch=3, generation=42)
    assert feed.built_up_to == feed.generated_at == CLOCK.now()
    assert feed.built_sequence == 17
    assert feed.expires_at == CLOCK.now() + VALID_FOR


async def test_a_feed_carries_the_texts_of_its_posts(around: Surroundings) -> None:
    around.external_ids.texts = {FOUND: "found", SEEN: "seen"}

    feed = await around.generate()

    assert feed is not None
    assert feed.external_ids == {FOUND: "found"}


async def test_a_feed_is_as_deep_as_it_may_be(around: Surroundings) -> None:
    around.recommender.posts = [(UUID(int=1000 + number), 1.0) for number in range(200)]

    feed = await around.generate()

    assert feed is not None
    assert len(feed.recommendations) == 150


async def test_without_a_model_the_feed_is_popular_and_soon_replaced(around: Surroundings) -> None:
    around.recommender.model_version = None

    feed = await around.generate()

    assert feed is not None
    assert feed.model_version == "popular"
    assert [item.post_id for item in feed.recommendations] == [POPULAR]
    assert feed.expires_at == CLOCK.now() + VALID_WITHOUT_MODEL


async def test_a_model_that_finds_nothing_for_a_user_is_no_reason_to_try_again_soon(around: Surroundings) -> None:
    around.recommender.posts = []

    feed = await around.generate()

    assert feed is not None
    assert feed.expires_at == CLOCK.now() + VALID_FOR


async def test_for_a_user_without_history_nothing_is_stored(around: Surroundings) -> None:
    await around.queue.submit(GenerateMessage(STRANGER, "request"))

    feed = await around.generate(GenerateMessage(STRANGER, "request"))

    assert feed is None
    assert around.archive.feeds == around.cache.feeds == {}
    assert await around.queue.progress(STRANGER) is None


async def test_whoever_waits_hears_of_the_feed(around: Surroundings) -> None:
    async with around.signals.listen(USER) as listening:
        await around.generate()

        assert await listening.heard(0.05)


async def test_a_done_job_leaves_no_lease(around: Surroundings) -> None:
    await around.queue.submit(MESSAGE)

    await around.generate()

    assert await around.queue.progress(USER) is None


async def test_a_feed_that_cannot_be_archived_is_not_shown_and_its_job_goes_on(around: Surroundings) -> None:
    around.archive.unavailable = True
    await around.queue.submit(MESSAGE)

    with pytest.raises(ArchiveUnavailable):
        await around.generate()

    assert around.cache.feeds == {}
    assert (await around.queue.progress(USER)).state is JobState.RUNNING


@pytest.mark.parametrize("part", ["history", "archive"])
async def test_while_postgres_is_away_a_known_users_feed_is_provisional_and_its_job_not_done(
    around: Surroundings, part: str
) -> None:
    around.recommender.learned = {USER: frozenset({SEEN})}
    getattr(around, part).unavailable = True
    await around.queue.submit(MESSAGE)

    async with around.signals.listen(USER) as listening:
        with pytest.raises(ArchiveUnavailable):
            await around.generate()

        assert await listening.heard(0.05)
    assert around.cache.feeds[USER].is_provisional
    assert around.archive.feeds == {}
    assert await around.queue.progress(USER) is None


async def test_once_postgres_is_back_the_feed_replaces_the_provisional_one(around: Surroundings) -> None:
    around.recommender.learned = {USER: frozenset({SEEN})}
    around.history.unavailable = True
    with pytest.raises(ArchiveUnavailable):
        await around.generate()
    around.history.unavailable = False

    feed = await around.generate()

    assert feed is not None
    assert around.archive.feeds == around.cache.feeds == {USER: feed}


async def test_a_job_for_whom_nothing_can_be_made_keeps_its_lease(around: Surroundings) -> None:
    around.history.unavailable = True
    await around.queue.submit(MESSAGE)

    with pytest.raises(ArchiveUnavailable):
        await around.generate()

    assert around.cache.feeds == {}
    assert await around.queue.progress(USER) is not None


async def test_the_archive_is_enough_while_redis_is_away(around: Surroundings) -> None:
    around.cache.unavailable = around.queue.unavailable = True

    feed = await around.generate()

    assert feed is not None
    assert around.archive.feeds == {USER: feed}


async def test_a_newer_feed_stays_and_those_who_wait_for_any_are_woken(around: Surroundings) -> None:
    newer = await around.generate()
    around.recommender.epoch = 2

    async with around.signals.listen(USER) as listening:
        await around.generate()

        assert await listening.heard(0.05)
    assert around.archive.feeds == around.cache.feeds == {USER: newer}


async def test_where_the_cache_has_forgotten_the_newer_feed_that_one_is_shown_and_not_the_older(
    around: Surroundings,
) -> None:
    newer = await around.generate()
    around.cache.feeds.clear()
    around.recommender.epoch = 2

    await around.generate()

    assert around.archive.feeds == around.cache.feeds == {USER: newer}


async def test_a_message_delivered_twice_leaves_a_feed_like_the_first(around: Surroundings) -> None:
    first = await around.generate()

    second = await around.generate()

    assert first is not None
    assert second is not None
    assert second.recommendations == first.recommendations
    assert around.archive.feeds == {USER: second}


@pytest.mark.parametrize(("hidden", "left"), [(FOUND, POPULAR), (POPULAR, FOUND)])
async def test_hidden_posts_are_left_out_whatever_they_would_be_there_for(
    around: Surroundings, hidden: UUID, left: UUID
) -> None:
    around.hidden_posts.posts = {hidden}

    feed = await around.generate()

    assert feed is not None
    assert [(item.post_id, item.score) for item in feed.recommendations] == [(left, 1.0)]


async def test_a_session_gets_what_the_model_finds_for_its_posts_alone_kept_for_minutes_and_never_archived(
    around: Surroundings,
) -> None:
    around.external_ids.texts[FOUND] = "found"
    await around.queue.submit(GenerateMessage(STRANGER, "request-1", (SEEN,)))

    feed = await around.generate(GenerateMessage(STRANGER, "request-1", (SEEN,)))

    assert feed is not None
    assert [(item.post_id, item.reason) for item in feed.recommendations] == [
        (FOUND, Reason.COLLABORATIVE_FILTERING),
        (POPULAR, Reason.POPULAR),
    ]
    assert feed.expires_at == CLOCK.now() + SESSION_VALID_FOR
    assert feed.external_ids == {FOUND: "found"}
    assert around.cache.feeds == {STRANGER: feed}
    assert around.archive.feeds == {}
    assert around.queue.leases == {}


async def test_a_session_of_posts_that_nobody_else_has_met_is_looked_at_anew_soon(around: Surroundings) -> None:
    around.recommender.posts = []

    feed = await around.generate(GenerateMessage(STRANGER, "request-1", (SEEN,)))

    assert feed is not None
    assert {item.reason for item in feed.recommendations} == {Reason.POPULAR}
    assert feed.expires_at == CLOCK.now() + UNMET_VALID_FOR


async def test_a_session_s_new_list_takes_the_place_of_one_of_a_model_that_was_withdrawn(around: Surroundings) -> None:
    of_session = GenerateMessage(STRANGER, "request-1", (SEEN,))
    withdrawn = await around.generate(of_session)
    around.recommender.model_version, around.recommender.epoch = "collaborative_filtering_v0", 4

    feed = await around.generate(of_session)

    assert withdrawn is not None
    assert around.cache.feeds[STRANGER] == feed != withdrawn


async def test_one_post_is_enough_for_a_session_whatever_the_threshold(around: Surroundings) -> None:
    feed = await around.generate(GenerateMessage(STRANGER, "request-1", (SEEN,)), threshold=5)

    assert feed is not None
    assert (feed.recommendations[0].post_id, feed.recommendations[0].score) == (FOUND, 1.0)
