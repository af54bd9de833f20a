"""Pages cut from stored feeds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.domain.errors import CursorExpired
from core.domain.feed import Feed, FeedOrder, FeedSource, FirstPage, Reason, Recommendation
from core.domain.job import FeedRequest, PagePosition
from core.domain.page import page_of
from core.domain.post_set import Posts

NOW = datetime(2026, 11, 1, tzinfo=UTC)
POSTS = [UUID(int=number) for number in range(10)]
FEED = Feed(
    user_id=UUID(int=99),
    recommendations=tuple(
        Recommendation(post, 1 - place / 10, Reason.COLLABORATIVE_FILTERING) for place, post in enumerate(POSTS)
    ),
    model_version="collaborative_filtering_v1",
    order=FeedOrder(1, 7),
    generated_at=NOW,
    expires_at=NOW + timedelta(hours=24),
)


def test_pages_follow_one_another_without_repeating_a_post() -> None:
    request = FeedRequest("user", limit=4)
    seen: list[UUID] = []

    while True:
        page = page_of(FEED, request, FeedSource.CACHE)
        seen += [item.post_id for item in page.recommendations]
        if page.next is None:
            break
        request = FeedRequest("user", limit=4, after=page.next)

    assert seen == POSTS


def test_excluded_posts_are_skipped_and_the_page_is_still_full() -> None:
    request = FeedRequest("user", limit=4, excluded_post_ids=(str(POSTS[0]).upper(), "unknown-post"))

    page = page_of(FEED, request, FeedSource.CACHE)

    assert [item.post_id for item in page.recommendations] == POSTS[1:5]


def test_excluding_by_the_text_id_of_the_app_works() -> None:
    from core.domain.ids import to_uuid

    feed = Feed(
        FEED.user_id,
        (Recommendation(to_uuid("post-1"), 1.0, Reason.POPULAR),),
        "popular",
        FeedOrder(0, 1),
        NOW,
        NOW,
        external_ids={to_uuid("post-1"): "post-1"},
    )

    assert page_of(feed, FeedRequest("user", 5), FeedSource.CACHE).text_of(to_uuid("post-1")) == "post-1"
    assert not page_of(feed, FeedRequest("user", 5, ("post-1",)), FeedSource.CACHE).recommendations


def test_a_cursor_of_another_generation_is_refused() -> None:
    request = FeedRequest("user", limit=4, after=PagePosition(FeedOrder(1, 6), 4))

    with pytest.raises(CursorExpired, match="renewed"):
        page_of(FEED, request, FeedSource.CACHE)


def test_unwanted_posts_are_left_out_of_every_page_and_the_pages_are_still_full() -> None:
    unwanted = [Posts([POSTS[1]]), Posts([POSTS[5], POSTS[8]])]
    request = FeedRequest("user", limit=3)

    first = page_of(FEED, request, FeedSource.CACHE, unwanted)
    second = page_of(FEED, replace(request, after=first.next), FeedSource.CACHE, unwanted)
    third = page_of(FEED, replace(request, after=second.next), FeedSource.CACHE, unwanted)

    ids = [[item.post_id for item in page.recommendations] for page in (first, second, third)]
    assert ids == [[POSTS[0], POSTS[2], POSTS[3]], [POSTS[4], POSTS[6], POSTS[7]], [POSTS[9]]]
    assert third.next is None


def test_a_page_that_was_prepared_goes_out_only_if_nothing_of_it_is_left_out() -> None:
    feed = replace(FEED, first_page=FirstPage(4, rendering="as it lies"))
    request = FeedRequest("user", limit=4)

    untouched = page_of(feed, request, FeedSource.CACHE, [Posts([POSTS[4]])])
    touched = page_of(feed, request, FeedSource.CACHE, [Posts([POSTS[3]])])

    assert (untouched.rendering, untouched.left_out) == ("as it lies", "")
    assert touched.rendering is None


def test_pages_of_one_feed_are_told_apart_by_what_was_left_out() -> None:
    request = FeedRequest("user", limit=4)

    marks = [page_of(FEED, request, FeedSource.CACHE, [Posts([POSTS[place]])]).left_out for place in (0, 1, 1, 9)]

    assert marks[0] != marks[1] == marks[2]
    assert marks[3] == ""


def test_exclusions_are_the_callers_own_and_mark_nothing() -> None:
    request = FeedRequest("user", limit=4, excluded_post_ids=(str(POSTS[0]),))

    page = page_of(FEED, request, FeedSource.CACHE, [Posts([POSTS[2]])])

    assert [item.post_id for item in page.recommendations] == [POSTS[1], *POSTS[3:6]]
    assert page.left_out != ""
    assert page_of(FEED, request, FeedSource.CACHE, [Posts()]).left_out == ""
