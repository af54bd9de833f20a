"""Tasks that are ended."""

import asyncio

from core.infrastructure.task_ending import end_task


async def test_a_task_that_swallows_its_first_cancellation_is_ended_all_the_same() -> None:
    swallowed = asyncio.Event()

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if swallowed.is_set():
                    raise
                swallowed.set()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)

    await asyncio.wait_for(end_task(task), 10)

    assert swallowed.is_set()
    assert task.cancelled()


async def test_what_the_task_raises_at_its_end_is_dropped() -> None:
    async def failing() -> None:
        raise RuntimeError("while it ended")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)

    await end_task(task)

    assert isinstance(task.exception(), RuntimeError)
