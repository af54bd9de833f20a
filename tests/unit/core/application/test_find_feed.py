from dataclasses import replace

import pytest

from core.domain.errors import ArchiveUnavailable
from core.domain.feed import FeedSource
from core.domain.ids import to_uuid
from core.domain.user_change import UserChange
from tests.builders import USER, Stage, feed_of, post, provisional_feed_of, stale_feed_of

ANNA = to_uuid(USER)


async def test_a_fresh_cached_feed_is_enough_and_the_archive_is_not_asked() -> None:
    stage = Stage()
    await stage.cache.put(feed_of())
    stage.archive.unavailable = True

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.feed, found.source, found.is_fresh) == (feed_of(), FeedSource.CACHE, True)


async def test_what_only_the_archive_has_goes_back_to_the_cache() -> None:
    stage = Stage()
    await stage.archive.put(feed_of())

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert found.source is FeedSource.ARCHIVE
    assert await stage.cache.get(ANNA) == feed_of()


async def test_a_stale_feed_is_found_but_not_put_back() -> None:
    stage = Stage()
    await stage.archive.put(stale_feed_of())

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.source, found.is_fresh) == (FeedSource.STALE, False)
    assert await stage.cache.get(ANNA) is None


async def test_of_a_stale_cached_and_an_archived_feed_the_newer_one_counts() -> None:
    stage = Stage()
    await stage.cache.put(stale_feed_of(generation=3))
    await stage.archive.put(feed_of(generation=4))

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.feed.order.generation, found.source) == (4, FeedSource.ARCHIVE)


async def test_a_newer_stale_feed_of_the_cache_comes_before_an_older_one_of_the_archive() -> None:
    stage = Stage()
    await stage.cache.put(stale_feed_of(generation=4))
    await stage.archive.put(stale_feed_of(generation=3))

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.feed.order.generation, found.source) == (4, FeedSource.STALE)


async def test_nothing_is_found_for_a_user_without_a_feed() -> None:
    assert await Stage().find_feed(ANNA) is None


async def test_without_redis_the_archive_answers() -> None:
    stage = Stage()
    await stage.archive.put(feed_of())
    stage.stop_redis()

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert found.source is FeedSource.ARCHIVE


async def test_without_postgres_a_stale_cached_feed_is_the_best_there_is() -> None:
    stage = Stage()
    await stage.cache.put(stale_feed_of())
    stage.stop_postgres()

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.source, found.is_all_there_is) == (FeedSource.STALE, True)


async def test_a_provisional_feed_is_fresh_while_the_archive_cannot_tell() -> None:
    stage = Stage()
    await stage.cache.put_provisional(provisional_feed_of())
    stage.stop_postgres()

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.source, found.is_fresh, found.is_all_there_is) == (FeedSource.CACHE, True, True)


async def test_a_provisional_feed_is_stale_once_the_archive_answers_that_it_has_none() -> None:
    stage = Stage()
    await stage.cache.put_provisional(provisional_feed_of())

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.feed, found.source) == (provisional_feed_of(), FeedSource.STALE)


@pytest.mark.parametrize("epoch", [1, 2])
async def test_an_archived_feed_comes_before_a_provisional_one_of_any_epoch(epoch: int) -> None:
    stage = Stage()
    await stage.cache.put_provisional(provisional_feed_of(posts=(7, 8), epoch=epoch))
    await stage.archive.put(feed_of(epoch=1))

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.feed, found.source) == (feed_of(epoch=1), FeedSource.ARCHIVE)


@pytest.mark.parametrize("redis_too", [False, True])
async def test_when_nobody_can_tell_whether_there_is_a_feed_it_says_so(redis_too: bool) -> None:
    stage = Stage()
    stage.stop_postgres()
    if redis_too:
        stage.stop_redis()

    with pytest.raises(ArchiveUnavailable):
        await stage.find_feed(ANNA)


async def test_a_feed_of_a_withdrawn_model_is_stale_before_it_expires() -> None:
    stage = Stage()
    await stage.cache.put(feed_of())
    stage.stale_models.versions.add(feed_of().model_version)

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.feed, found.source, found.is_fresh) == (feed_of(), FeedSource.STALE, False)


async def test_a_cached_feed_is_found_with_what_its_user_has_done_since() -> None:
    stage = Stage()
    await stage.cache.put(replace(feed_of(), built_sequence=7))
    await stage.seen_posts.add([UserChange(ANNA, 7, [post(1)])])
    known = await stage.find_feed.in_cache(ANNA)
    await stage.seen_posts.add([UserChange(ANNA, 8, [post(2)])])

    found = await stage.find_feed.in_cache(ANNA)

    assert known is not None
    assert known.change is None
    assert found is not None
    assert found.change == UserChange(ANNA, 8, (post(2), post(1)))


async def test_what_the_archive_knows_of_the_user_goes_to_the_cache_with_the_feed() -> None:
    stage = Stage()
    change = UserChange(ANNA, 8, [post(1)])
    stage.archive.changes[ANNA] = change
    await stage.archive.put(replace(feed_of(), built_sequence=7))

    found = await stage.find_feed(ANNA)
    again = await stage.find_feed.in_cache(ANNA)

    assert found is not None
    assert (found.source, found.change) == (FeedSource.ARCHIVE, change)
    assert again is not None
    assert again.change == UserChange(ANNA, 8, (post(1),))


async def test_a_newer_feed_of_the_archive_is_not_held_against_what_the_cached_one_lacks() -> None:
    stage = Stage()
    await stage.cache.put(stale_feed_of(generation=3))
    await stage.seen_posts.add([UserChange(ANNA, 8, [post(1)])])
    await stage.archive.put(replace(feed_of(generation=4), built_sequence=8))

    found = await stage.find_feed(ANNA)

    assert found is not None
    assert (found.source, found.change) == (FeedSource.ARCHIVE, None)
