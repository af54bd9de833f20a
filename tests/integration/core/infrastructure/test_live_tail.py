"""A model with its tail and a real database: what is written counts, one feed at a time and in bulk."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from core.domain.composition import Composition
from core.domain.gate import BYPASSED
from core.domain.interaction import InteractionWeights
from core.domain.popular import PopularFeed
from core.infrastructure.adbc_model_training import AdbcModelTraining
from core.infrastructure.artefact_stores import artefact_store
from core.infrastructure.hidden_keys import HiddenChange
from core.infrastructure.in_memory_recommender import InMemoryRecommender
from core.infrastructure.live_tail import Tails
from core.infrastructure.postgres_history_batches import PostgresHistoryBatches
from core.infrastructure.postgres_interaction_history import PostgresInteractionHistory
from core.infrastructure.postgres_interaction_tail import PostgresInteractionTail
from core.infrastructure.postgres_model_registry import PostgresModelRegistry
from core.infrastructure.postgres_pool import Pool, open_pool
from tests.integration.core.infrastructure.postgres_rows import act, add_interactions, post, user

COMPOSITION = Composition(depth=50, min_score=0.0, cold_start_threshold=1)
NEWCOMER, NEW_POST = 90, 900


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


@pytest.fixture
async def recommender(pool: Pool, migrated_database_url: str, tmp_path: Path) -> AsyncIterator[InMemoryRecommender]:
    """Trained on two circles of eight users, whose posts are those below and above 10."""
    now = datetime.now(UTC)
    await add_interactions(
        pool,
        *(act(by, 10 * (by % 2) + (by + on) % 8, now, hours_ago=1 + on) for by in range(16) for on in range(5)),
    )
    registry = PostgresModelRegistry(pool)
    artefacts = artefact_store(pool, "", tmp_path)
    trained = await AdbcModelTraining(migrated_database_url, tmp_path, InteractionWeights()).train()
    sha256, size_bytes = await artefacts.put(trained.path)
    record = await registry.register(trained, sha256, size_bytes, None, BYPASSED)
    await registry.promote(record.number, "anna", 0)
    tails = Tails(PostgresInteractionTail(pool, 1000), 1000)
    async with InMemoryRecommender(registry, artefacts, 3600, tails) as recommender:
        yield recommender


async def ranked(pool: Pool, recommender: InMemoryRecommender, by: int) -> set[UUID]:
    history = await PostgresInteractionHistory(pool).read(user(by))
    return {post_id for post_id, _ in (await recommender.rank(history, 50)).posts}


async def composed(pool: Pool, recommender: InMemoryRecommender, *by: int) -> dict[UUID, set[UUID]]:
    histories = await PostgresHistoryBatches(pool).read([user(one) for one in by])
    made = await recommender.compose_many(histories, PopularFeed(), COMPOSITION)
    return {feed.user_id: {item.post_id for item in feed.recommendations} for feed in made.feeds}


async def test_a_post_born_after_training_reaches_others_of_its_circle_and_nobody_else(
    pool: Pool, recommender: InMemoryRecommender
) -> None:
    before = await ranked(pool, recommender, 0)
    await add_interactions(pool, *(act(by, NEW_POST, datetime.now(UTC)) for by in (2, 4, 6)))

    await recommender.read_on()

    assert post(NEW_POST) not in before
    assert post(NEW_POST) in await ranked(pool, recommender, 0)
    assert post(NEW_POST) not in await ranked(pool, recommender, 1)
    feeds = await composed(pool, recommender, 0, 1, 2)
    assert [post(NEW_POST) in feeds[user(by)] for by in (0, 1, 2)] == [True, False, False]


async def test_who_comes_after_training_gets_what_those_alike_like_and_is_heard_by_them(
    pool: Pool, recommender: InMemoryRecommender
) -> None:
    now = datetime.now(UTC)
    await add_interactions(
        pool, *(act(NEWCOMER, on, now, hours_ago=on / 60) for on in (10, 11, 12)), act(NEWCOMER, NEW_POST, now)
    )

    await recommender.read_on()

    theirs = await ranked(pool, recommender, NEWCOMER)
    assert {post(on) for on in (13, 14, 15)} <= theirs
    assert post(NEW_POST) not in theirs
    assert post(NEW_POST) in await ranked(pool, recommender, 1)
    assert (await composed(pool, recommender, NEWCOMER))[user(NEWCOMER)] == theirs


async def test_a_session_of_posts_born_after_training_alone_gets_what_their_readers_like(
    pool: Pool, recommender: InMemoryRecommender
) -> None:
    await add_interactions(pool, *(act(by, NEW_POST, datetime.now(UTC)) for by in (2, 4, 6)))
    nobody = await PostgresInteractionHistory(pool).read(user(NEWCOMER))
    session = nobody.of_session([post(NEW_POST)])
    before = (await recommender.rank(session, 50)).posts

    await recommender.read_on()

    assert not before
    ranked = {post_id for post_id, _ in (await recommender.rank(session, 50)).posts}
    assert ranked == {post(on) for on in range(8)}


async def test_blocked_posts_are_in_no_feed_whoever_makes_it(pool: Pool, recommender: InMemoryRecommender) -> None:
    await add_interactions(pool, *(act(by, NEW_POST, datetime.now(UTC)) for by in (2, 4, 6)))
    await recommender.read_on()
    before = await ranked(pool, recommender, 0)

    recommender.block(HiddenChange([post(NEW_POST).bytes, min(before).bytes], []))

    rest = before - {post(NEW_POST), min(before)}
    assert await ranked(pool, recommender, 0) == rest
    assert (await composed(pool, recommender, 0))[user(0)] == rest


async def test_a_worker_that_starts_later_has_read_what_came_since_training_before_it_answers(
    pool: Pool, recommender: InMemoryRecommender, tmp_path: Path
) -> None:
    await add_interactions(pool, *(act(by, NEW_POST, datetime.now(UTC) - timedelta(seconds=1)) for by in (2, 4, 6)))
    tails = Tails(PostgresInteractionTail(pool, 1000), 1000)

    async with InMemoryRecommender(
        PostgresModelRegistry(pool), artefact_store(pool, "", tmp_path), 3600, tails
    ) as other:
        assert post(NEW_POST) in await ranked(pool, other, 0)
