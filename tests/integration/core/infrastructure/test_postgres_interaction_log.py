"""Events are recorded once, in the fake and in the app's table."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.application.ports.interaction_log import InteractionLog
from core.domain.errors import ArchiveUnavailable
from core.domain.event import Event, event_of
from core.domain.ids import to_uuid
from core.domain.interaction import InteractionType
from core.infrastructure.postgres_interaction_log import PostgresInteractionLog
from core.infrastructure.postgres_pool import open_pool
from tests.fakes.interaction_log import FakeInteractionLog

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
COUNT = "select count(*) from user_interaction"


@dataclass
class Scene:
    """The log, and a look at the ids that are recorded."""

    log: InteractionLog
    ids: Callable[[], Awaitable[set[UUID]]]


@pytest.fixture
async def pool(migrated_database_url: str) -> AsyncIterator[Any]:
    async with open_pool(migrated_database_url, 8) as opened:
        yield opened


@pytest.fixture(params=["fake", "postgres"])
def scene(request: pytest.FixtureRequest) -> Scene:
    if request.param == "fake":
        return fake_scene()
    pool = request.getfixturevalue("pool")

    async def ids() -> set[UUID]:
        return {row["id"] for row in await pool.fetch("select id from user_interaction")}

    return Scene(PostgresInteractionLog(pool), ids)


def fake_scene() -> Scene:
    fake = FakeInteractionLog()

    async def ids() -> set[UUID]:
        return set(fake.events)

    return Scene(fake, ids)


def told(
    place: int = 0, user: str = "anna", post: str = "post", id_text: str | None = None, metadata: str | None = None
) -> Event:
    return event_of(place, user, post, InteractionType.LIKE, NOW, id_text=id_text, told_at=NOW, metadata=metadata)


async def test_events_of_several_users_are_recorded_under_a_sequence_each(scene: Scene) -> None:
    events = [told(0, "anna"), told(1, "bert"), told(2, "anna", "other")]

    recorded = await scene.log.record(events)

    assert recorded.added == 3
    assert recorded.sequences.keys() == {to_uuid("anna"), to_uuid("bert")}
    assert await scene.ids() == {event.id for event in events}


async def test_what_is_recorded_again_is_not_added_and_has_a_sequence_all_the_same(scene: Scene) -> None:
    first = await scene.log.record([told(id_text="one")])

    again = await scene.log.record([told(id_text="one")])

    assert (again.added, again.refusals) == (0, [])
    assert again.sequences[to_uuid("anna")] > first.sequences[to_uuid("anna")]
    assert len(await scene.ids()) == 1


async def test_another_event_under_the_same_id_is_refused_and_the_others_recorded(scene: Scene) -> None:
    await scene.log.record([told(id_text="one")])

    recorded = await scene.log.record([told(0), told(1, post="other", id_text="one")])

    assert recorded.added == 1
    assert [(refusal.place, refusal.field, refusal.is_id_taken) for refusal in recorded.refusals] == [(1, "id", True)]


async def test_all_or_nothing_records_none_where_one_is_refused(scene: Scene) -> None:
    await scene.log.record([told(id_text="one")])

    recorded = await scene.log.record([told(0), told(1, post="other", id_text="one")], all_or_nothing=True)

    assert (recorded.added, [refusal.place for refusal in recorded.refusals]) == (0, [1])
    assert await scene.ids() == {to_uuid("one")}


async def test_all_or_nothing_records_all(scene: Scene) -> None:
    assert (await scene.log.record([told(0), told(1, "bert")], all_or_nothing=True)).added == 2


@pytest.mark.parametrize("kind", ["fake", "postgres"])
async def test_without_its_server_every_call_says_so(kind: str) -> None:
    async with open_pool("postgresql://u:p@127.0.0.1:1/d") as absent:
        log: InteractionLog = FakeInteractionLog(unavailable=True) if kind == "fake" else PostgresInteractionLog(absent)

        with pytest.raises(ArchiveUnavailable):
            await log.record([told()])


async def test_the_row_is_as_it_was_told_and_texts_of_ids_are_kept(pool: Any) -> None:
    event = told(user="anna", post="post", metadata='{"screen": "home"}')

    await PostgresInteractionLog(pool).record([event])

    row = await pool.fetchrow("select * from user_interaction")
    assert dict(row) == {
        "id": event.id,
        "user_id": to_uuid("anna"),
        "post_id": to_uuid("post"),
        "interaction_type": "like",
        "metadata": {"screen": "home"},
        "created_at": NOW.replace(tzinfo=None),
    }
    texts = await pool.fetch("select id, text from external_id")
    assert {row["id"]: row["text"] for row in texts} == {to_uuid("anna"): "anna", to_uuid("post"): "post"}


async def test_users_are_due_in_the_same_transaction_and_the_reader_is_told(pool: Any) -> None:
    recorded = await PostgresInteractionLog(pool).record([told()])

    mark = await pool.fetchrow("select * from user_change")
    same = "transaction = (select xmin::text::xid8 from user_change)"
    batch = await pool.fetchrow(f"select *, {same} as same from accepted_batch")
    assert (mark["user_id"], mark["is_due"]) == (to_uuid("anna"), True)
    assert mark["sequence"] == batch["sequence"] == recorded.sequences[to_uuid("anna")]
    assert batch["user_ids"] == [to_uuid("anna")]
    assert batch["same"]


async def test_a_time_that_the_table_keeps_to_the_second_is_the_same(pool: Any) -> None:
    await pool.execute("alter table user_interaction alter created_at type timestamp(0)")
    log = PostgresInteractionLog(pool)
    event = event_of(0, "anna", "p", InteractionType.LIKE, NOW, id_text="1", told_at=NOW - timedelta(milliseconds=300))
    await log.record([event])

    assert (await log.record([event])).refusals == []


@pytest.mark.parametrize("all_or_nothing", [False, True])
async def test_rows_that_a_rule_of_the_table_refuses_are_told_and_the_others_recorded(
    pool: Any, all_or_nothing: bool
) -> None:
    await pool.execute("create table post_of_the_app (id uuid primary key)")
    await pool.execute(
        "alter table user_interaction add constraint known_post foreign key (post_id) references post_of_the_app "
        "deferrable initially deferred"
    )
    await pool.execute("insert into post_of_the_app values ($1)", to_uuid("known"))
    events = [told(place, post="known" if place % 3 else "unknown", id_text=str(place)) for place in range(10)]

    recorded = await PostgresInteractionLog(pool).record(events, all_or_nothing=all_or_nothing)

    assert [refusal.place for refusal in recorded.refusals] == [0, 3, 6, 9]
    assert "known_post" in recorded.refusals[0].reason
    assert recorded.added == await pool.fetchval(COUNT) == (0 if all_or_nothing else 6)


@pytest.mark.parametrize("metadata", ['{"a": "\\u0000"}', '{"a": 1e999999}', "{"])
async def test_metadata_that_postgres_cannot_keep_is_refused(pool: Any, metadata: str) -> None:
    recorded = await PostgresInteractionLog(pool).record([told(0), told(1, post="other", metadata=metadata)])

    assert recorded.added == 1
    assert [refusal.place for refusal in recorded.refusals] == [1]
    assert recorded.refusals[0].reason.startswith("cannot be stored: ")


async def test_a_table_without_metadata_takes_events_that_have_none(pool: Any) -> None:
    await pool.execute("alter table user_interaction drop column metadata")

    recorded = await PostgresInteractionLog(pool).record([told(0), told(1, post="other", metadata="{}")])

    assert recorded.added == 1
    assert [(refusal.place, refusal.field) for refusal in recorded.refusals] == [(1, "metadata")]


async def test_what_a_key_of_the_app_s_own_refuses_counts_as_a_repetition(pool: Any) -> None:
    await pool.execute("create unique index one_like on user_interaction (user_id, post_id)")
    log = PostgresInteractionLog(pool)
    await log.record([told(id_text="one")])

    recorded = await log.record([told(id_text="two")])

    assert (recorded.added, recorded.refusals) == (0, [])


async def test_callers_who_record_the_same_users_at_once_all_get_through_in_order(pool: Any) -> None:
    log = PostgresInteractionLog(pool)
    users = [f"user {number}" for number in range(20)]

    async def record(caller: int) -> int:
        order = users if caller % 2 else users[::-1]
        recorded = await log.record([told(place, user, f"post {caller}") for place, user in enumerate(order)])
        return recorded.added

    added = await asyncio.gather(*(record(caller) for caller in range(30)))

    assert added == [20] * 30
    assert await pool.fetchval(COUNT) == 600


async def test_a_retry_that_races_with_the_first_try_records_once(pool: Any) -> None:
    log = PostgresInteractionLog(pool)
    events = [told(place, f"user {place % 7}", id_text=str(place)) for place in range(100)]

    recorded = await asyncio.gather(*(log.record(events) for _ in range(8)))

    assert sum(one.added for one in recorded) == await pool.fetchval(COUNT) == 100
    assert not any(one.refusals for one in recorded)
