"""A worker process's resources, opened before its first message and closed after its last."""

import gc
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any, NoReturn, TypeVar

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread

from core.application.ports.freshness_meter import FreshnessMeter
from core.domain.errors import ConfigurationError, ThreadsMlError
from core.domain.job import Queue
from core.infrastructure.live_tail import TellLevels, tell_nobody
from core.infrastructure.postgres_interaction_alarm import PostgresInteractionAlarm
from core.settings import Settings
from worker.following import following
from worker.wiring import WorkerParts, open_worker, present

Result = TypeVar("Result")


class Lifespan(Middleware):
    """Stands behind AsyncIO in the middleware: what it opens lives on that event loop."""

    def __init__(
        self, settings: Settings, queue: Queue, meter: FreshnessMeter, tell_tail: TellLevels = tell_nobody
    ) -> None:
        """tell_tail: told what is held beside the model, after every reading."""
        self._tell_tail = tell_tail
        self._settings = settings
        self._meter = meter
        self._queue = queue
        self._resources = AsyncExitStack()
        self._presence = AsyncExitStack()
        self._parts: WorkerParts | None = None

    @property
    def parts(self) -> WorkerParts:
        """What the actors call; there once the worker has booted."""
        if self._parts is None:
            raise RuntimeError("the worker has not booted")
        return self._parts

    def after_process_boot(self, _: Broker) -> None:
        """Let repeated SIGTERMs pass: platforms send it to the whole group, and the master passes its own on.

        Dramatiq takes the second one for impatience and kills the jobs in hand; SIGKILL is there for that.
        """
        drain: Any = signal.getsignal(signal.SIGTERM)

        def drain_once(number: int, frame: FrameType | None) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            drain(number, frame)

        signal.signal(signal.SIGTERM, drain_once)

    def before_worker_boot(self, _: Broker, __: Worker) -> None:
        """Open everything, or leave: Dramatiq would swallow the error and go on without."""
        try:
            opening = open_worker(self._settings, self._queue, self._meter, self._tell_tail)
            self._parts = run_on_loop(self._resources.enter_async_context(opening))
        except ThreadsMlError as error:
            structlog.get_logger().error("worker_not_started", reason=str(error))
            _leave(ConfigurationError.EXIT_CODE if isinstance(error, ConfigurationError) else 1)
        except Exception:
            structlog.get_logger().exception("worker_not_started")
            _leave(1)

    def after_worker_boot(self, _: Broker, __: Worker) -> None:
        """Tell that somebody works, and follow the interactions where people wait for what comes of it.

        What there is by now stays, and the collector need not look through it again.
        """
        gc.freeze()
        run_on_loop(self._presence.enter_async_context(present(self.parts.presence, self._queue)))
        if self._queue is Queue.FEEDS:
            alarm = PostgresInteractionAlarm(self._settings.database_url)
            follow, poll_seconds = self.parts.follow_interactions, self._settings.interaction_poll_seconds
            run_on_loop(self._presence.enter_async_context(following(follow, alarm, poll_seconds)))

    def before_worker_shutdown(self, _: Broker, __: Worker) -> None:
        """Nobody is to wait for a worker that only finishes what it has begun."""
        run_on_loop(self._presence.aclose())

    def after_worker_shutdown(self, _: Broker, __: Worker) -> None:
        """Close everything; no message is in hand any more."""
        run_on_loop(self._resources.aclose())


def run_on_loop(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Wait, in the calling thread, for what runs on the worker's event loop."""
    thread = get_event_loop_thread()
    if thread is None:
        coroutine.close()
        raise RuntimeError("the AsyncIO middleware has not started its event loop")
    return thread.run_coroutine(coroutine)


def _leave(exit_code: int) -> NoReturn:
    """End this process, and with it the master; the loop's thread would keep it alive."""
    thread = get_event_loop_thread()
    if thread is not None:
        thread.stop()  # type: ignore[no-untyped-call]  # Dramatiq's method carries no types
    raise SystemExit(exit_code)
