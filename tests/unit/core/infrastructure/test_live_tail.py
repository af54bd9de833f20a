"""A tail that is read on, and what becomes of it while nobody answers."""

import asyncio
from dataclasses import replace

import structlog

from core.infrastructure.live_tail import LiveTail, TailLevels, Tails
from core.infrastructure.postgres_interaction_tail import TailPosition
from core.infrastructure.ranking_model import RankingModel
from core.recommender.registry import algorithm_named
from tests.builders import NOON, model_record_of
from tests.unit.core.infrastructure.coming_interactions import ComingInteractions
from tests.unit.core.infrastructure.test_model_tail import NEW_POST, NEWER_POST, NOTHING, arrays, asking, trained
from tests.unit.core.infrastructure.test_ranking_model import POSTS, USERS

MODEL, ASKING = trained(), asking(USERS[3], POSTS[0])


def tail_on(source: ComingInteractions, told: list[TailLevels]) -> LiveTail:
    tail = Tails(source, 100, told.append).of(MODEL, model_record_of())
    assert tail is not None
    return tail


async def test_each_reading_begins_where_the_last_one_ended_and_what_came_counts() -> None:
    source, told = (
        ComingInteractions(NOTHING, [arrays((USERS[0], NEW_POST, 1)), arrays((USERS[1], NEWER_POST, 2))]),
        [],
    )
    tail = tail_on(source, told)

    first, second, third = await tail.read_on(), await tail.read_on(), await tail.read_on()

    assert first is not None
    assert second is not None
    assert NEWER_POST not in dict(first.rank(ASKING, 10))
    assert {NEW_POST, NEWER_POST} <= dict(second.rank(ASKING, 10)).keys()
    assert third is None
    assert [position.snapshot for position in source.asked] == [None, "1:1:", "2:2:"]
    assert [(levels.held, levels.dropped, levels.read_at) for levels in told] == [
        (1, 0, NOON),
        (2, 0, NOON),
        (2, 0, NOON),
    ]


async def test_two_who_read_on_at_once_count_nothing_twice() -> None:
    source = ComingInteractions(NOTHING, [arrays((USERS[0], NEW_POST, 1))])
    told: list[TailLevels] = []
    tail = tail_on(source, told)

    await asyncio.gather(tail.read_on(), tail.read_on())

    assert [position.snapshot for position in source.asked] == [None, "1:1:"]
    assert told[-1].held == 1


async def test_while_postgres_is_away_it_stays_as_it_was_is_read_on_from_there_and_the_log_says_so_once() -> None:
    source, told = (
        ComingInteractions(NOTHING, [arrays((USERS[0], NEW_POST, 1)), arrays((USERS[1], NEWER_POST, 2))]),
        [],
    )
    tail = tail_on(source, told)
    await tail.read_on()

    source.unavailable = True
    with structlog.testing.capture_logs() as logs:
        assert await tail.read_on() is None
        assert await tail.read_on() is None
    source.unavailable = False
    model = await tail.read_on()

    assert [log["event"] for log in logs] == ["tail_not_read"]
    assert len({position.snapshot for position in source.asked[1:]}) == 1
    assert len(told) == 2
    assert model is not None
    assert {NEW_POST, NEWER_POST} <= dict(model.rank(ASKING, 10)).keys()


async def test_it_begins_with_the_snapshot_that_was_trained_on_and_looks_back_for_late_ones() -> None:
    source = ComingInteractions(NOTHING)
    record = model_record_of()
    snapshots = [("7:9:8", NOON), (None, None)]

    for snapshot, since in snapshots:
        tail = Tails(source, 100).of(MODEL, replace(record, data_snapshot=snapshot, data_open_since=since))
        assert tail is not None
        await tail.read_on()

    assert source.asked == [
        TailPosition("7:9:8", NOON),
        TailPosition(None, record.data_up_to),
    ]


def test_an_algorithm_that_takes_no_tail_is_left_without() -> None:
    model = RankingModel(algorithm_named("popular"), MODEL.user_keys, MODEL.post_keys, MODEL.weights)

    assert Tails(ComingInteractions(NOTHING), 100).of(model, model_record_of()) is None
