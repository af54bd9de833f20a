import asyncio

from core.application.renew_in_background import RenewInBackground
from core.domain.ids import to_uuid
from core.domain.job import GenerateMessage
from tests.builders import USER, Stage

ANNA = to_uuid(USER)
MESSAGE = GenerateMessage(ANNA, "request-1")
FOR_EVER = 1000.0


async def begun() -> None:
    """What was begun has come to its rest: no fake makes anybody wait."""
    await asyncio.sleep(0)


async def test_a_job_is_submitted_and_nobody_waits_for_it() -> None:
    stage = Stage()
    async with RenewInBackground(stage.pacing, stage.queue, FOR_EVER) as renew:
        renew(ANNA, "request-1")
        before = list(stage.queue.messages)
        await begun()

    assert (before, stage.queue.messages) == ([], [MESSAGE])


async def test_who_asks_again_and_again_gets_one_job() -> None:
    stage = Stage()
    async with RenewInBackground(stage.pacing, stage.queue, FOR_EVER) as renew:
        for _ in range(10):
            renew(ANNA, "request-1")
            await begun()
            stage.pacing.let_time_pass()
            await stage.queue.release(ANNA)

    assert stage.queue.messages == [MESSAGE]


async def test_after_a_rest_the_pace_of_all_processes_decides() -> None:
    stage = Stage()
    async with RenewInBackground(stage.pacing, stage.queue, pause_seconds=0) as renew:
        for _ in range(2):
            renew(ANNA, "request-1")
            await asyncio.gather(*renew._resting.values())
            await stage.queue.release(ANNA)
        stage.pacing.let_time_pass()
        renew(ANNA, "request-2")
        await asyncio.gather(*renew._resting.values())

    assert stage.queue.messages == [MESSAGE, GenerateMessage(ANNA, "request-2")]


async def test_without_redis_nothing_happens() -> None:
    stage = Stage()
    stage.stop_redis()
    async with RenewInBackground(stage.pacing, stage.queue, pause_seconds=0) as renew:
        renew(ANNA, "request-1")
        await asyncio.gather(*renew._resting.values())

    assert stage.queue.messages == []
