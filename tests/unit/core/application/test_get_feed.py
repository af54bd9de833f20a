import pytest

from core.domain.errors import CursorExpired, NotFound
from core.domain.feed import FeedOrder, FeedSource
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest, PagePosition
from core.domain.user_change import UserChange
from tests.builders import USER, Stage, feed_of, post, stale_feed_of


async def test_the_stored_feed_is_returned() -> None:
    stage = Stage()
    await stage.archive.put(feed_of(posts=(1, 2, 3)))

    page = await stage.get_feed(FeedRequest(USER, limit=2))

    assert [item.post_id for item in page.recommendations] == [post(1), post(2)]
    assert (page.user_text, page.source) == (USER, FeedSource.ARCHIVE)


async def test_a_stale_feed_is_returned_with_its_mark() -> None:
    stage = Stage()
    await stage.archive.put(stale_feed_of())

    page = await stage.get_feed(FeedRequest(USER, limit=2))

    assert page.source is FeedSource.STALE


async def test_without_a_stored_feed_nothing_is_enqueued() -> None:
    stage = Stage()

    with pytest.raises(NotFound, match="no feed is stored for user 'anna'"):
        await stage.get_feed(FeedRequest(USER, limit=2))

    assert stage.queue.messages == []


async def test_while_postgres_is_away_popular_posts_are_returned() -> None:
    stage = Stage()
    stage.stop_postgres()

    page = await stage.get_feed(FeedRequest(USER, limit=2))

    assert (page.source, page.model_version) == (FeedSource.POPULAR, "popular")


async def test_the_next_page_goes_on_where_the_last_one_ended() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(posts=(1, 2, 3)))

    first = await stage.get_feed(FeedRequest(USER, limit=2))
    second = await stage.get_feed(FeedRequest(USER, limit=2, after=first.next))

    assert [item.post_id for item in second.recommendations] == [post(3)]
    assert second.next is None


async def test_a_cursor_of_a_renewed_feed_has_expired() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(generation=2))

    with pytest.raises(CursorExpired):
        await stage.get_feed(FeedRequest(USER, limit=2, after=PagePosition(FeedOrder(1, 1), 2)))


async def test_hidden_posts_are_left_out() -> None:
    stage = Stage()
    await stage.archive.put(feed_of(posts=(1, 2, 3)))
    stage.hidden_posts.posts = {post(2)}

    page = await stage.get_feed(FeedRequest(USER, limit=2))

    assert [item.post_id for item in page.recommendations] == [post(1), post(3)]


async def test_posts_just_seen_are_left_out_and_nothing_is_enqueued() -> None:
    stage = Stage()
    await stage.cache.put(feed_of(posts=(1, 2, 3)))
    await stage.seen_posts.add([UserChange(to_uuid(USER), 8, [post(2)])])

    page = await stage.get_feed(FeedRequest(USER, limit=2))

    assert [item.post_id for item in page.recommendations] == [post(1), post(3)]
    assert stage.queue.messages == []
    assert stage.visits.noted == {to_uuid(USER)}
