"""What is made of what a model remembers."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from core.application.make_provisional_feed import MakeProvisionalFeed
from core.domain.composition import Composition
from core.domain.feed import Feed, FeedOrder, Reason
from core.domain.ids import to_uuid
from core.domain.popular import PopularFeed
from tests.fakes.clock import FakeClock
from tests.fakes.external_ids import FakeExternalIds
from tests.fakes.feed_cache import FakeFeedCache
from tests.fakes.feed_signals import FakeFeedSignals
from tests.fakes.hidden_posts import FakeHiddenPosts
from tests.fakes.popular_posts import FakeHeldPopularFeed
from tests.fakes.recommender import FakeRecommender

CLOCK = FakeClock()
USER, STRANGER = UUID(int=1), UUID(int=2)
SEEN, FOUND, POPULAR = UUID(int=11), UUID(int=12), UUID(int=13)


@dataclass
class Surroundings:
    """Everything around the use case; the model knows USER, who has seen one post."""

    recommender: FakeRecommender = field(
        default_factory=lambda: FakeRecommender([(SEEN, 3.0), (FOUND, 2.0)], epoch=3, learned={USER: frozenset({SEEN})})
    )
    popular: PopularFeed = field(default_factory=lambda: PopularFeed((SEEN, POPULAR), (1.0, 0.5), generation=1))
    external_ids: FakeExternalIds = field(default_factory=FakeExternalIds)
    cache: FakeFeedCache = field(default_factory=FakeFeedCache)
    hidden_posts: FakeHiddenPosts = field(default_factory=FakeHiddenPosts)

    async def make(self, user_id: UUID = USER) -> bool:
        composition = Composition(depth=150, min_score=0.1, cold_start_threshold=1)
        held = FakeHeldPopularFeed(self.popular)
        return await MakeProvisionalFeed(
            self.recommender, held, self.hidden_posts, self.external_ids, self.cache, CLOCK, composition
        )(user_id)

    async def made(self) -> Feed:
        assert await self.make()
        return self.cache.feeds[USER]


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


async def test_it_holds_what_the_model_recalls_then_popular_posts_and_nothing_seen(around: Surroundings) -> None:
    feed = await around.made()

    assert [(item.post_id, item.reason) for item in feed.recommendations] == [
        (FOUND, Reason.COLLABORATIVE_FILTERING),
        (POPULAR, Reason.POPULAR),
    ]


async def test_it_is_marked_older_than_any_other_and_valid_for_five_minutes(around: Surroundings) -> None:
    feed = await around.made()

    assert feed.is_provisional
    assert (feed.model_version, feed.order) == ("collaborative_filtering_v1", FeedOrder(3, 0))
    assert feed.expires_at == CLOCK.now() + timedelta(minutes=5)


async def test_nothing_is_made_for_a_user_whom_the_model_does_not_know(around: Surroundings) -> None:
    assert not await around.make(STRANGER)
    assert around.cache.feeds == {}


async def test_whoever_waits_for_a_feed_that_will_not_come_is_woken(around: Surroundings) -> None:
    around.cache.signals = FakeFeedSignals()
    async with around.cache.signals.listen(STRANGER) as listening:
        await around.make(STRANGER)

        assert await listening.heard(0.05)


async def test_a_feed_that_is_there_stays(around: Surroundings) -> None:
    first = await around.made()

    assert not await around.make()
    assert around.cache.feeds == {USER: first}


async def test_without_redis_nothing_is_made(around: Surroundings) -> None:
    around.cache.unavailable = True

    assert not await around.make()


async def test_posts_whose_ids_may_be_texts_that_nobody_can_tell_now_are_left_out(around: Surroundings) -> None:
    told, untold, popular = to_uuid("told"), to_uuid("untold"), to_uuid("popular")
    around.recommender.posts = [(told, 3.0), (untold, 2.0), (FOUND, 1.0)]
    around.popular = PopularFeed((popular, POPULAR), (1.0, 0.5), 1, external_ids={popular: "popular"})
    around.external_ids.texts = {told: "told", untold: "untold"}
    await around.external_ids.texts_of([told])

    feed = await around.made()

    assert [feed.text_of(item.post_id) for item in feed.recommendations] == [
        "told",
        str(FOUND),
        "popular",
        str(POPULAR),
    ]


async def test_no_feed_is_made_of_nothing_but_ids_that_nobody_can_tell_now(around: Surroundings) -> None:
    around.recommender.posts = [(to_uuid("untold"), 2.0)]
    around.popular = PopularFeed()

    assert not await around.make()
    assert around.cache.feeds == {}


async def test_hidden_posts_are_left_out(around: Surroundings) -> None:
    around.hidden_posts.posts = {FOUND}

    feed = await around.made()

    assert [item.post_id for item in feed.recommendations] == [POPULAR]
