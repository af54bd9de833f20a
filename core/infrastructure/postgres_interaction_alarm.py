"""Woken by Postgres when interactions are written, where the table has the trigger for it."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import structlog

from core.domain.errors import ArchiveUnavailable
from core.infrastructure.postgres_pool import Connection, connect, errors_translated
from core.infrastructure.task_ending import end_task

CHANNEL = "threads_ml_interactions"
LOOK_AGAIN_SECONDS = 30.0
ANSWER_WITHIN_SECONDS = 5.0

_IS_ANNOUNCED = """
    select exists (
        select from pg_trigger
        where tgrelid = to_regclass('user_interaction') and tgenabled <> 'D'
            and tgfoid = to_regproc('threads_ml_interactions_written')
    )
"""


class PostgresInteractionAlarm:
    """Keeps a connection of its own inside the block, as long as the trigger is there; who waits may wait in vain."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rung = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            await end_task(self._listening)

    async def wait(self, at_most_seconds: float) -> None:
        """Return when something has been written since the last call, or when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_seconds):
                await self._rung.wait()
        self._rung.clear()

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_while_announced()
            except ArchiveUnavailable as error:
                structlog.get_logger().debug("interactions_not_listened_to", error=str(error))
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _listen_while_announced(self) -> None:
        connection = await connect(self._url)
        try:
            with errors_translated():
                await connection.add_listener(CHANNEL, self._ring)
                while await self._is_announced(connection):  # noqa: ASYNC110 - the server is asked, not a variable
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        finally:
            # Not closed politely: a server that is silent would be waited for.
            connection.terminate()

    async def _is_announced(self, connection: Connection) -> bool:
        """The question shows also whether the server is still there."""
        return bool(await connection.fetchval(_IS_ANNOUNCED, timeout=ANSWER_WITHIN_SECONDS))

    def _ring(self, *_: Any) -> None:
        self._rung.set()
