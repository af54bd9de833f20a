"""How a background task is ended for certain."""

import asyncio
from typing import Any

ASK_AGAIN_SECONDS = 0.5


async def end_task(task: "asyncio.Task[Any]") -> None:
    """Cancel the task until it has ended; whatever it raises then is dropped.

    Once is not enough: before Python 3.12 `asyncio.wait_for` swallows a cancellation that arrives in the moment of its
    result (https://github.com/python/cpython/issues/86296), and libraries underneath use it.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=ASK_AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()
