"""All interactions of one moment, read from a real database."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import InteractionType
from core.infrastructure import adbc_interaction_table
from core.infrastructure.adbc_interaction_table import InteractionColumns, interaction_snapshot
from core.infrastructure.postgres_pool import open_pool
from tests.integration.core.infrastructure.postgres_rows import act, add_interactions, post, user

NOW = datetime(2026, 11, 1, 12, 30, 15, 250_000, tzinfo=UTC)
VIEW, SHARE = InteractionType.VIEW, InteractionType.SHARE
Row = tuple[bytes, bytes, int, float]


def rows_of(batches: Iterable[InteractionColumns]) -> list[Row]:
    """The ids whole: items of the arrays lose their trailing zero bytes."""
    return [
        (bytes(user_key).ljust(16, b"\0"), bytes(post_key).ljust(16, b"\0"), code, time)
        for batch in batches
        for user_key, post_key, code, time in zip(*(column.tolist() for column in batch[:4]), strict=True)
    ]


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def fill(url: str, count: int) -> None:
    """So many likes of ten users and a thousand posts, in no order of either."""
    await execute(
        url,
        f"""
        insert into user_interaction (user_id, post_id, interaction_type)
        select md5((number % 10)::text)::uuid, md5((number % 1000)::text)::uuid, 'like'
        from generate_series(1, {count}) as number
        """,
    )


async def test_interactions_come_as_they_were_written(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url) as pool:
        await add_interactions(pool, act(1, 2, NOW, VIEW), act(2, 1, NOW, SHARE, hours_ago=1))

    with interaction_snapshot(migrated_database_url) as snapshot:
        rows = rows_of(snapshot.batches())

    assert sorted(rows) == [
        (user(1).bytes, post(2).bytes, 0, NOW.timestamp()),
        (user(2).bytes, post(1).bytes, 3, NOW.timestamp() - 3600),
    ]


async def test_an_empty_table_has_no_rows_and_data_now_is_now(migrated_database_url: str) -> None:
    with interaction_snapshot(migrated_database_url) as snapshot:
        assert rows_of(snapshot.batches()) == []
        assert rows_of(snapshot.batches_by_user(1 << 20)) == []
        assert snapshot.count() == 0
        assert snapshot.data_now() == snapshot.now
        assert abs(snapshot.now - datetime.now(UTC).timestamp()) < 60


async def test_rows_of_unknown_types_without_ids_or_at_no_moment_are_passed_over(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url) as pool:
        await add_interactions(pool, act(1, 1, NOW))
    nullable = [f"alter column {name} drop not null" for name in ("user_id", "post_id", "created_at")]
    values = [
        "null, gen_random_uuid(), 'like', '2026-01-01'",
        "gen_random_uuid(), null, 'like', '2026-01-01'",
        "gen_random_uuid(), gen_random_uuid(), 'like', null",
        "gen_random_uuid(), gen_random_uuid(), 'LIKE', '2026-01-01'",
        "gen_random_uuid(), gen_random_uuid(), '', '2026-01-01'",
        *(
            f"gen_random_uuid(), gen_random_uuid(), 'like', '{moment}'"
            for moment in ("infinity", "-infinity", "294276-12-31", "10000-01-01", "0044-03-15 BC")
        ),
    ]
    await execute(
        migrated_database_url,
        f"alter table user_interaction {', '.join(nullable)}",
        *(
            f"insert into user_interaction (user_id, post_id, interaction_type, created_at) values ({row})"
            for row in values
        ),
    )

    with interaction_snapshot(migrated_database_url) as snapshot:
        rows = rows_of(snapshot.batches())
        data_now = snapshot.data_now()

    assert [row[0] for row in rows] == [user(1).bytes]
    assert data_now == NOW.timestamp()


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "timestamptz(0)"])
async def test_columns_of_other_types_that_a_migration_adopts_are_read(migrated_database_url: str, kind: str) -> None:
    whole = NOW.replace(microsecond=0)
    async with open_pool(migrated_database_url) as pool:
        await add_interactions(pool, act(1, 1, whole), act(1, 2, whole, hours_ago=2))
    await execute(
        migrated_database_url,
        f"alter table user_interaction alter created_at type {kind} using created_at at time zone 'utc'"
        if kind.startswith("timestamptz")
        else "select 1",
        "alter table user_interaction alter interaction_type type text",
        "alter table user_interaction drop column metadata",
    )

    with interaction_snapshot(migrated_database_url) as snapshot:
        times = [row[3] for row in rows_of(snapshot.batches())]
        data_now = snapshot.data_now()

    assert sorted(times) == [whole.timestamp() - 7200, whole.timestamp()]
    assert data_now == whole.timestamp()


async def test_interactions_from_the_future_do_not_move_data_now(migrated_database_url: str) -> None:
    async with open_pool(migrated_database_url) as pool:
        await add_interactions(pool, act(1, 1, datetime.now(UTC) + timedelta(days=30)))

    with interaction_snapshot(migrated_database_url) as snapshot:
        assert snapshot.data_now() == snapshot.now


async def test_batches_by_user_hold_the_same_in_the_order_of_users(migrated_database_url: str) -> None:
    await fill(migrated_database_url, 5000)

    with interaction_snapshot(migrated_database_url) as snapshot:
        whole, batches = rows_of(snapshot.batches()), list(snapshot.batches_by_user(10_000))

    assert len(batches) > 10
    assert sorted(rows_of(batches)) == sorted(whole)
    assert [row[0] for row in rows_of(batches)] == sorted(row[0] for row in whole)


async def test_what_is_added_meanwhile_is_not_part_of_the_snapshot(migrated_database_url: str) -> None:
    await fill(migrated_database_url, 10)

    with interaction_snapshot(migrated_database_url) as snapshot:
        await fill(migrated_database_url, 10)

        assert len(rows_of(snapshot.batches())) == 10
        assert len(rows_of(snapshot.batches_by_user(1 << 20))) == 10
        assert snapshot.count() == 10


async def test_a_snapshot_can_be_left_before_its_end(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adbc_interaction_table, "BATCH_BYTES", 10_000)
    await fill(migrated_database_url, 50_000)

    with interaction_snapshot(migrated_database_url) as snapshot:
        first = next(snapshot.batches())

    assert 0 < len(first.times) < 50_000
    with interaction_snapshot(migrated_database_url) as snapshot:
        assert len(rows_of(snapshot.batches())) == 50_000


async def test_a_connection_that_breaks_while_it_is_read_is_said_in_one_line(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adbc_interaction_table, "BATCH_BYTES", 10_000)
    await fill(migrated_database_url, 200_000)
    others = "pg_stat_activity where datname = current_database() and pid != pg_backend_pid()"

    async def read_and_break() -> None:
        with interaction_snapshot(migrated_database_url) as snapshot:
            batches = snapshot.batches()
            next(batches)
            await execute(migrated_database_url, f"select pg_terminate_backend(pid) from {others}")
            await asyncio.to_thread(list, batches)

    with pytest.raises(ArchiveUnavailable, match=r"^the interactions cannot be read[^\n]*terminat[^\n]*$"):
        await read_and_break()
