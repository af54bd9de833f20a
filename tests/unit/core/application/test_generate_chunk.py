"""A chunk's feeds are stored and counted once, whatever fails."""

from dataclasses import replace

import pytest

from core.domain.errors import ArchiveUnavailable
from core.domain.feed import Feed, FeedOrder, Reason
from core.domain.giving_way import FIRST_PAUSE_SECONDS
from core.domain.ids import to_uuid
from core.domain.job import ChunkMessage
from core.domain.run import ATTEMPTS_AT_MOST, RunCounts, RunState
from tests.builders import NOON, post
from tests.unit.core.application.runs import EVERYBODY, USERS, BulkStage, likes, user


async def test_every_user_of_the_run_gets_a_feed_in_archive_and_cache() -> None:
    stage = BulkStage()
    run = await stage.begun()

    jobs = await stage.work()

    ended = await stage.seen(run)
    feed = stage.archive.feeds[user(0)]
    assert jobs == 3
    assert ended.state is RunState.COMPLETED
    assert ended.counts == RunCounts(users=5, stored=5)
    assert set(stage.archive.feeds) == set(USERS)
    assert stage.cache.feeds == stage.archive.feeds
    assert [(item.post_id, item.reason) for item in feed.recommendations[:3]] == [
        (post(1), Reason.COLLABORATIVE_FILTERING),
        (post(2), Reason.COLLABORATIVE_FILTERING),
        (post(101), Reason.POPULAR),
    ]
    assert feed.model_version == "collaborative_filtering_v1"
    assert (feed.expires_at - feed.generated_at).total_seconds() == 24 * 3600


async def test_a_chunk_that_comes_twice_is_done_once() -> None:
    stage = BulkStage()
    run = await stage.begun()
    message = stage.queue.chunk_messages[0]

    first = await stage.generate_chunk(message)
    before = dict(stage.archive.feeds)
    second = await stage.generate_chunk(message)

    assert (first, second) == (2, None)
    assert stage.archive.feeds == before
    assert (await stage.seen(run)).counts == RunCounts(users=5, stored=2)


async def test_a_newer_feed_stays_and_counts_as_kept() -> None:
    stage = BulkStage()
    newer = Feed(user(0), (), "collaborative_filtering_v1", FeedOrder(7, 1), NOON, NOON)
    stage.archive.feeds[user(0)] = newer
    run = await stage.begun()

    await stage.work()

    assert stage.archive.feeds[user(0)] == newer
    assert user(0) not in stage.cache.feeds
    assert (await stage.seen(run)).counts == RunCounts(users=5, stored=4, kept=1)


async def test_a_user_below_the_threshold_gets_no_row() -> None:
    stage = BulkStage(interactions=[*likes(user(0)), *likes(user(1), 2)])
    run = await stage.begun(EVERYBODY, [user(0), user(1), user(2)])

    await stage.work()

    assert set(stage.archive.feeds) == {user(0)}
    assert (await stage.seen(run)).counts == RunCounts(users=3, stored=1, without_feed=2)


async def test_texts_of_ids_go_out_with_the_feeds_that_hold_them() -> None:
    stage = BulkStage()
    stage.recommender.posts.append((to_uuid("a text"), 0.9))
    stage.external_ids.texts[to_uuid("a text")] = "a text"
    await stage.begun()

    await stage.work()

    assert stage.cache.feeds[user(0)].external_ids == {to_uuid("a text"): "a text"}


async def test_without_a_model_feeds_are_popular_and_expire_soon() -> None:
    stage = BulkStage()
    stage.recommender.model_version = None
    await stage.begun()

    await stage.work()

    feed = stage.archive.feeds[user(0)]
    assert feed.model_version == "popular"
    assert (feed.expires_at - feed.generated_at).total_seconds() == 600


async def test_a_user_over_whom_chunks_fail_is_set_aside_and_the_others_have_feeds() -> None:
    stage = BulkStage()
    stage.recommender.poisonous.add(user(3))
    run = await stage.begun(replace(EVERYBODY, chunk_size=5))

    jobs = await stage.work()

    ended = await stage.seen(run)
    (failed,) = await stage.ledger.set_aside(run.id)
    assert set(stage.archive.feeds) == set(USERS) - {user(3)}
    assert ended.state is RunState.COMPLETED_WITH_FAILURES
    assert ended.counts == RunCounts(users=5, stored=4, set_aside=1)
    assert (failed.user_id, failed.error) == (user(3), "ArithmeticError: there is poison in it")
    # Five, then the three of whom it is one, then two or one: each as often as chunks are tried.
    assert jobs > 3 * ATTEMPTS_AT_MOST


async def test_a_chunk_over_which_workers_died_each_time_is_split_unseen() -> None:
    stage = BulkStage()
    run = await stage.begun(replace(EVERYBODY, chunk_size=5))
    (message,) = stage.queue.chunk_messages
    for _ in range(ATTEMPTS_AT_MOST):
        assert await stage.ledger.begin_chunk(message.chunk_id)

    await stage.work()

    assert (await stage.seen(run)).counts == RunCounts(users=5, stored=5)


async def test_while_postgres_is_away_the_message_is_not_done() -> None:
    stage = BulkStage()
    run = await stage.begun()
    message = stage.queue.chunk_messages[0]
    stage.history.unavailable = True

    with pytest.raises(ArchiveUnavailable):
        await stage.generate_chunk(message)
    stage.history.unavailable = False
    await stage.generate_chunk(message)

    assert (await stage.seen(run)).counts.stored == 2


async def test_an_outage_is_no_attempt_of_the_chunk_in_whose_middle_it_comes() -> None:
    stage = BulkStage()
    run = await stage.begun()
    generate_chunk, message = stage.generate_chunk, stage.queue.chunk_messages[0]
    stage.history.unavailable = True

    for _ in range(2 * ATTEMPTS_AT_MOST):
        with pytest.raises(ArchiveUnavailable):
            await generate_chunk(message)
    stage.history.unavailable = False
    await generate_chunk(message)

    assert (await stage.seen(run)).counts == RunCounts(users=5, stored=2)
    assert stage.ledger.entries[message.chunk_id].chunk.attempts == 1
    assert len(stage.queue.chunk_messages) == 3


async def test_attempts_are_handed_back_when_the_ledger_is_there_again() -> None:
    stage = BulkStage()
    run = await stage.begun()
    generate_chunk, message = stage.generate_chunk, stage.queue.chunk_messages[0]
    stage.history.unavailable = True
    with pytest.raises(ArchiveUnavailable):
        await generate_chunk(message)
    stage.ledger.unavailable = True

    with pytest.raises(ArchiveUnavailable):
        await generate_chunk(message)
    stage.ledger.unavailable = stage.history.unavailable = False
    await generate_chunk(stage.queue.chunk_messages[1])

    assert stage.ledger.entries[message.chunk_id].chunk.attempts == 0
    assert (await stage.seen(run)).counts.stored == 2


async def test_without_the_cache_feeds_are_stored_all_the_same() -> None:
    stage = BulkStage()
    stage.cache.unavailable = True
    run = await stage.begun()

    await stage.work()

    assert (await stage.seen(run)).state is RunState.COMPLETED


async def test_people_go_first() -> None:
    stage = BulkStage()
    await stage.begun()
    stage.people_wait()

    await stage.work()

    assert stage.pauses == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]


async def test_a_message_of_a_chunk_that_nobody_knows_is_passed_over() -> None:
    assert await BulkStage().generate_chunk(ChunkMessage(user(1), "run-1")) is None


async def test_hidden_posts_fill_no_feed() -> None:
    stage = BulkStage()
    stage.hidden_posts.posts = {post(101)}
    await stage.begun()

    await stage.work()

    assert [item.post_id for item in stage.archive.feeds[user(0)].recommendations] == [post(1), post(2), post(102)]


async def test_each_feed_names_the_latest_change_that_it_knows_of() -> None:
    stage = BulkStage()
    stage.history.sequences[user(0)] = 17
    await stage.begun()

    await stage.work()

    assert [stage.archive.feeds[user(number)].built_sequence for number in (0, 1)] == [17, 0]
