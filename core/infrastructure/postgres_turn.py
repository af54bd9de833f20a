"""One process at work of all that would do the same, by a lock in Postgres."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from core.domain.errors import ArchiveUnavailable
from core.infrastructure.postgres_pool import Connection, connect, errors_translated
from core.infrastructure.task_ending import end_task

_ANSWER_WITHIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PostgresTurn:
    """The lock belongs to a transaction that stays open on a connection of its own: with the connection it is gone.

    A session's lock would be lost, or shared, behind a pooler that hands connections out by the transaction.
    cut_off_milliseconds: a holder that gives no sign for so long, as it hangs or its machine is gone, is cut off by the
    server.
    """

    url: str
    lock: int
    try_every_seconds: float = 5.0
    beat_every_seconds: float = 5.0
    cut_off_milliseconds: int = 30_000

    async def work_in_turn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the work while the lock is held; it is cancelled when the lock is lost, and begun anew with the next turn.

        Returns when the work does. Postgres may be away for as long as it likes.
        """
        while True:
            if await self._tried(work):
                return
            await asyncio.sleep(self.try_every_seconds)

    async def _tried(self, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        log = structlog.get_logger()
        try:
            async with self._held() as beat:
                if beat is None:
                    log.debug("turn_taken_by_another")
                    return False
                log.info("turn_begins")
                await self._done_while_held(work, beat)
                return True
        except ArchiveUnavailable as error:
            log.warning("turn_not_held", error=str(error), retry_in=self.try_every_seconds)
            return False

    async def _done_while_held(
        self, work: Callable[[], Coroutine[Any, Any, None]], beat: Callable[[], Awaitable[None]]
    ) -> None:
        task = asyncio.create_task(work())
        try:
            while not (await asyncio.wait({task}, timeout=self.beat_every_seconds))[0]:
                await beat()
            await task
        finally:
            await end_task(task)

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[Callable[[], Awaitable[None]] | None]:
        """Gives what keeps the lock and raises ArchiveUnavailable when it is lost; None if another has it."""
        connection = await connect(self.url)
        try:
            with errors_translated():
                yield await self._locked(connection)
        finally:
            # Not closed politely: a server that is silent would be waited for.
            connection.terminate()

    async def _locked(self, connection: Connection) -> Callable[[], Awaitable[None]] | None:
        async def beat() -> None:
            with errors_translated():
                await connection.execute("select 1", timeout=_ANSWER_WITHIN_SECONDS)

        await connection.execute("begin")
        await connection.execute(f"set local idle_in_transaction_session_timeout = {self.cut_off_milliseconds:d}")
        is_ours = await connection.fetchval("select pg_try_advisory_xact_lock($1)", self.lock)
        return beat if is_ours else None
