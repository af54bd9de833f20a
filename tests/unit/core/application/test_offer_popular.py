"""What anyone might like."""

from dataclasses import replace
from uuid import UUID

import pytest

from core.application.cut_page import CutPage
from core.application.offer_popular import OfferPopular
from core.domain.composition import ColdStartStrategy, Composition
from core.domain.errors import ArchiveUnavailable, CursorExpired
from core.domain.feed import FeedOrder, FeedSource, Reason
from core.domain.job import FeedRequest, PagePosition
from core.domain.popular import PopularFeed
from tests.fakes.clock import FakeClock
from tests.fakes.hidden_posts import FakeHiddenPosts
from tests.fakes.popular_posts import FakeHeldPopularFeed

POSTS = tuple(UUID(int=number) for number in range(1, 9))
POPULAR = PopularFeed(POSTS, tuple(0.9**place for place in range(8)), generation=4)


def offering(strategy: ColdStartStrategy = ColdStartStrategy.POPULAR, feed: PopularFeed = POPULAR) -> OfferPopular:
    return OfferPopular(
        FakeHeldPopularFeed(feed), Composition(6, 0.1, 5, strategy), CutPage(FakeHiddenPosts()), FakeClock()
    )


def test_popular_posts_are_a_page_like_any_other_as_deep_as_a_feed() -> None:
    first = offering()(FeedRequest("stranger", 4))
    second = offering()(FeedRequest("stranger", 4, after=first.next))

    assert [item.post_id for item in first.recommendations + second.recommendations] == list(POSTS[:6])
    assert {item.reason for item in first.recommendations} == {Reason.POPULAR}
    assert first.source is FeedSource.POPULAR
    assert first.model_version == "popular"
    assert second.next is None


def test_a_page_of_an_earlier_count_is_refused() -> None:
    with pytest.raises(CursorExpired):
        offering()(FeedRequest("stranger", 4, after=PagePosition(FeedOrder(0, 3), 4)))


def test_strategy_empty_offers_strangers_nothing_but_still_helps_out_where_servers_are_away() -> None:
    offer = offering(ColdStartStrategy.EMPTY)

    assert offer.to_a_stranger(FeedRequest("stranger", 4)).recommendations == ()
    assert len(offer(FeedRequest("known", 4)).recommendations) == 4


def test_before_the_first_count_the_page_is_empty() -> None:
    page = offering(feed=PopularFeed())(FeedRequest("stranger", 4))

    assert page.recommendations == ()
    assert page.next is None


def test_in_place_of_a_feed_that_cannot_be_read_only_its_next_page_is_missing() -> None:
    offer, away = offering(), ArchiveUnavailable("Postgres does not answer")
    first = offer.instead(FeedRequest("known", 4), away)

    assert len(offer.instead(FeedRequest("known", 4, after=first.next), away).recommendations) == 2
    with pytest.raises(ArchiveUnavailable):
        offer.instead(FeedRequest("known", 4, after=PagePosition(FeedOrder(3, 9), 4)), away)


def test_hidden_posts_are_left_out() -> None:
    offer = replace(offering(), cut_page=CutPage(FakeHiddenPosts({POSTS[1]})))

    page = offer(FeedRequest("stranger", 3))

    assert [item.post_id for item in page.recommendations] == [POSTS[0], POSTS[2], POSTS[3]]


def test_a_copy_that_was_renewed_is_what_is_offered_from_then_on() -> None:
    held = FakeHeldPopularFeed(POPULAR)
    offer = replace(offering(), popular=held)
    before = offer(FeedRequest("stranger", 2))

    held.feed = PopularFeed(POSTS[2:], (1.0,) * 6, generation=5)

    assert [item.post_id for item in before.recommendations] == list(POSTS[:2])
    assert [item.post_id for item in offer(FeedRequest("stranger", 2)).recommendations] == list(POSTS[2:4])
