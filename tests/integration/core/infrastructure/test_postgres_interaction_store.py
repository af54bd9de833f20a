"""A store of imported interactions keeps each once and all of them or none, fake and real."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from core.application.import_interactions import ImportInteractions
from core.application.ports.interaction_source import InteractionBatch, RejectedRow
from core.domain.errors import ArchiveUnavailable, InvalidInput
from core.domain.ids import to_uuid
from core.domain.interaction import Interaction, InteractionType
from core.infrastructure.interaction_rows import TYPES, UUID_BYTES, InteractionRows
from core.infrastructure.postgres_interaction_store import PostgresInteractionStore
from core.infrastructure.postgres_pool import Pool, open_pool
from tests.fakes.interaction_source import FakeInteractionSource
from tests.fakes.interaction_store import FakeInteractionStore

END_OTHERS = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where pid <> pg_backend_pid() and datname = current_database() and state = 'idle in transaction'
"""
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def act(number: int, kind: InteractionType = InteractionType.LIKE) -> Interaction:
    return Interaction(
        to_uuid(f"user {number}"), to_uuid(f"post {number}"), kind, NOON + timedelta(microseconds=number)
    )


def as_rows(acts: Iterable[Interaction], external_ids: Iterable[str] = ()) -> InteractionRows:
    given = list(acts)
    return InteractionRows(
        np.array([it.user_id.bytes for it in given], UUID_BYTES),
        np.array([it.post_id.bytes for it in given], UUID_BYTES),
        np.array([TYPES.index(it.type) for it in given], np.uint8),
        np.array([(it.created_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for it in given]),
        [(to_uuid(text).bytes, text) for text in external_ids],
    )


async def stream(*batches: Any, error: Exception | None = None) -> AsyncIterator[Any]:
    for batch in batches:
        yield batch
    if error is not None:
        raise error


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database_url) as pool:
        yield pool


async def interactions(pool: Pool) -> set[Interaction]:
    rows = await pool.fetch("select user_id, post_id, interaction_type, created_at from user_interaction")
    return {Interaction(u, p, InteractionType(kind), at.replace(tzinfo=UTC)) for u, p, kind, at in rows}


@dataclass
class Stored:
    """A store, the form its batches have, and a way to look inside."""

    store: Any
    batch: Callable[[Iterable[Interaction]], Any]
    pool: Pool | None = None

    async def kept(self) -> set[Any]:
        return set(self.store.kept) if self.pool is None else await interactions(self.pool)


@pytest.fixture
async def stored(url: str | None) -> AsyncIterator[Stored]:
    if url is None:
        yield Stored(FakeInteractionStore(), tuple)
        return
    async with open_pool(url) as pool:
        yield Stored(PostgresInteractionStore(pool), as_rows, pool)


async def test_new_interactions_are_kept_and_counted(stored: Stored) -> None:
    acts = [act(number, kind) for number, kind in enumerate(InteractionType)]

    added = await stored.store.add_all(stream(stored.batch(acts[:1]), stored.batch([]), stored.batch(acts[1:])))

    assert added == len(acts)
    assert await stored.kept() == set(acts)


async def test_the_same_again_adds_nothing(stored: Stored) -> None:
    await stored.store.add_all(stream(stored.batch([act(1), act(2)])))

    assert await stored.store.add_all(stream(stored.batch([act(2), act(1)]))) == 0
    assert await stored.store.add_all(stream(stored.batch([act(2), act(3)]))) == 1
    assert await stored.kept() == {act(1), act(2), act(3)}


async def test_equal_rows_of_one_import_are_one_interaction(stored: Stored) -> None:
    added = await stored.store.add_all(stream(stored.batch([act(1), act(1)]), stored.batch([act(1)])))

    assert added == 1


async def test_of_nothing_nothing_is_added(stored: Stored) -> None:
    assert await stored.store.add_all(stream()) == 0


async def test_an_error_of_the_batches_undoes_everything(stored: Stored) -> None:
    with pytest.raises(InvalidInput, match="truncated"):
        await stored.store.add_all(stream(stored.batch([act(1)]), error=InvalidInput("truncated")))

    assert await stored.kept() == set()
    assert await stored.store.add_all(stream(stored.batch([act(1)]))) == 1


async def test_strict_leaves_the_table_untouched(pool: Pool) -> None:
    rejected = RejectedRow(3, "no time")
    source = FakeInteractionSource([InteractionBatch(as_rows([act(1)], ["user 1"]), 1, [rejected], 0)])

    with pytest.raises(InvalidInput, match="line 3"):
        await ImportInteractions(source, PostgresInteractionStore(pool))(strict=True)

    assert await interactions(pool) == set()
    assert await pool.fetchval("select count(*) from external_id") == 0


async def test_texts_of_ids_are_kept_once(pool: Pool) -> None:
    store = PostgresInteractionStore(pool)
    texts = ["user 1", "🦔" * 512, "user 1"]

    await store.add_all(stream(as_rows([act(1)], texts), as_rows([act(2)], texts)))
    await store.add_all(stream(as_rows([act(3)], ["user 1"])))

    kept = {row["id"]: row["text"] for row in await pool.fetch("select id, text from external_id")}
    assert kept == {to_uuid(text): text for text in texts}


async def test_an_import_that_is_interrupted_leaves_nothing(pool: Pool) -> None:
    store, has_staged = PostgresInteractionStore(pool), asyncio.Event()

    async def never_ending() -> AsyncIterator[InteractionRows]:
        yield as_rows([act(1)])
        has_staged.set()
        await asyncio.Event().wait()

    importing = asyncio.create_task(store.add_all(never_ending()))
    await has_staged.wait()
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing

    assert await interactions(pool) == set()
    assert await store.add_all(stream(as_rows([act(1)]))) == 1


async def test_a_connection_that_dies_in_the_middle_leaves_nothing(pool: Pool) -> None:
    store = PostgresInteractionStore(pool)

    async def dying() -> AsyncIterator[InteractionRows]:
        yield as_rows([act(1)])
        assert await pool.fetch(END_OTHERS) == [(True,)]
        yield as_rows([act(2)])

    with pytest.raises(ArchiveUnavailable):
        await store.add_all(dying())

    assert await interactions(pool) == set()
    assert await store.add_all(stream(as_rows([act(1)]))) == 1


async def test_two_imports_of_the_same_rows_at_once_add_them_once(pool: Pool) -> None:
    store = PostgresInteractionStore(pool)
    acts = [act(number) for number in range(500)]

    added = await asyncio.gather(*(store.add_all(stream(as_rows(order))) for order in (acts, acts[::-1])))

    assert sorted(added) == [0, 500]


async def test_times_are_utc_in_a_table_that_keeps_time_zones(pool: Pool) -> None:
    await pool.execute("alter table user_interaction alter created_at type timestamptz")

    await PostgresInteractionStore(pool).add_all(stream(as_rows([act(1)])))

    assert await pool.fetchval("select created_at from user_interaction") == act(1).created_at


async def test_a_row_that_a_key_of_the_app_does_not_allow_is_a_duplicate(pool: Pool) -> None:
    await pool.execute("create unique index on user_interaction (user_id, post_id, interaction_type)")
    later = Interaction(act(1).user_id, act(1).post_id, act(1).type, NOON + timedelta(hours=1))

    added = await PostgresInteractionStore(pool).add_all(stream(as_rows([act(1), later])))

    assert added == 1


async def test_a_rule_of_the_app_that_refuses_a_row_refuses_the_import(pool: Pool) -> None:
    await pool.execute("alter table user_interaction add check (interaction_type <> 'share')")

    with pytest.raises(InvalidInput, match="a rule of the table user_interaction refuses"):
        await PostgresInteractionStore(pool).add_all(stream(as_rows([act(1), act(2, InteractionType.SHARE)])))

    assert await interactions(pool) == set()


async def test_a_database_that_is_away_is_named() -> None:
    async with open_pool("postgresql://nobody:nothing@127.0.0.1:1/none") as pool:
        with pytest.raises(ArchiveUnavailable):
            await PostgresInteractionStore(pool).add_all(stream())


async def test_once_feeds_are_stored_whoever_something_new_is_imported_of_is_due(pool: Pool) -> None:
    store = PostgresInteractionStore(pool)
    await store.add_all(stream(as_rows([act(1), act(2)])))
    before_any_feed = await pool.fetchval("select count(*) from user_change")
    await pool.execute("insert into feed values (gen_random_uuid(), '{}', '{}', '{}', 'v1', 1, 1, now(), now(), now())")

    added = await store.add_all(stream(as_rows([act(2), act(3), act(3)])))

    due = {row["user_id"] for row in await pool.fetch("select user_id from user_change where is_due")}
    assert (before_any_feed, added, due) == (0, 1, {act(3).user_id})
