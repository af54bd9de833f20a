"""Feeds of due users are made and stored together."""

import pytest

from core.application.renew_together import RenewTogether
from core.domain.errors import ArchiveUnavailable
from core.domain.feed import Feed, FeedOrder
from tests.builders import NOON
from tests.unit.core.application.runs import USERS, BulkStage, likes, user


def renewing(stage: BulkStage) -> RenewTogether:
    return RenewTogether(stage.compose_feeds, stage.archive, stage.cache)


async def test_feeds_are_stored_shown_and_know_of_the_latest_change() -> None:
    stage = BulkStage()
    stage.history.sequences[user(0)] = 17

    assert list(await renewing(stage)(USERS)) == USERS

    assert set(stage.archive.feeds) == set(USERS)
    assert stage.cache.feeds == stage.archive.feeds
    assert stage.archive.feeds[user(0)].built_sequence == 17


async def test_who_is_below_the_threshold_is_not_among_them() -> None:
    stage = BulkStage(interactions=[*likes(user(0)), *likes(user(1), 2)])

    assert list(await renewing(stage)([user(0), user(1), user(2)])) == [user(0)]

    assert set(stage.archive.feeds) == {user(0)}


async def test_a_newer_feed_stays_and_its_user_has_one() -> None:
    stage = BulkStage()
    newer = Feed(user(0), (), "collaborative_filtering_v1", FeedOrder(7, 1), NOON, NOON)
    stage.archive.feeds[user(0)] = newer

    assert list(await renewing(stage)([user(0)])) == [user(0)]

    assert stage.archive.feeds[user(0)] == newer
    assert stage.cache.feeds == {}


async def test_without_the_cache_feeds_are_stored_all_the_same() -> None:
    stage = BulkStage()
    stage.cache.unavailable = True

    await renewing(stage)(USERS)

    assert set(stage.archive.feeds) == set(USERS)


async def test_without_the_archive_it_says_so() -> None:
    stage = BulkStage()
    stage.archive.unavailable = True

    with pytest.raises(ArchiveUnavailable):
        await renewing(stage)(USERS)

    assert stage.cache.feeds == {}
