"""A worker looks at what people wait for before each chunk."""

from core.application.give_way import GiveWay
from core.domain.giving_way import FIRST_PAUSE_SECONDS
from core.domain.job import Queue
from core.domain.levels import QueueLevel
from tests.fakes.queue_levels import FakeQueueLevels


async def pauses_of(levels: FakeQueueLevels, *waiting: int) -> list[float]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    give_way = GiveWay(levels, sleep)
    for count in waiting:
        levels.levels[Queue.FEEDS] = QueueLevel(waiting=count)
        await give_way()
    return slept


async def test_pauses_follow_what_waits_for_people() -> None:
    slept = await pauses_of(FakeQueueLevels(), 0, 3, 1, 0, 0, 0)

    assert slept == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS]


async def test_bulk_messages_are_nobody_who_waits() -> None:
    levels = FakeQueueLevels()
    levels.levels[Queue.FEEDS_BULK] = QueueLevel(waiting=1000, running=4)

    assert await pauses_of(levels, 0) == []


async def test_who_cannot_look_does_not_wait() -> None:
    assert await pauses_of(FakeQueueLevels(unavailable=True), 5) == []
