"""A worker process's resources, opened before its first message and closed after its last."""

import os
import signal
import sys
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any
from uuid import UUID

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread

from core.domain.errors import ConfigurationError, ThreadsMlError
from core.domain.job import Queue
from core.settings import Settings
from worker.wiring import WorkerUseCases, open_worker


class Lifespan(Middleware):
    """Stands behind AsyncIO in the middleware: what it opens lives on that event loop."""

    def __init__(self, settings: Settings, queue: Queue) -> None:
        self._settings = settings
        self._queue = queue
        self._stack = AsyncExitStack()
        self._use_cases: WorkerUseCases | None = None

    @property
    def use_cases(self) -> WorkerUseCases:
        """What the actors call; there once the worker has booted."""
        if self._use_cases is None:
            raise RuntimeError("the worker has not booted")
        return self._use_cases

    def after_process_boot(self, broker: Broker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Let a second SIGTERM pass: platforms send it to the group and to the master, which passes it on."""
        drain: Any = signal.getsignal(signal.SIGTERM)

        def drain_once(number: int, frame: FrameType | None) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            drain(number, frame)

        signal.signal(signal.SIGTERM, drain_once)

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Open everything, or leave: Dramatiq would swallow the error and go on without."""
        try:
            self._use_cases = _run(self._stack.enter_async_context(open_worker(self._settings, self._queue)))
        except ThreadsMlError as error:
            structlog.get_logger().error("worker_not_started", reason=str(error))
            _leave(ConfigurationError.EXIT_CODE if isinstance(error, ConfigurationError) else 1)
        except Exception:
            structlog.get_logger().exception("worker_not_started")
            _leave(1)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Close everything; no message is in hand any more."""
        _run(self._stack.aclose())

    def after_nack(self, broker: Broker, message: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        """The message is given up: say so on the tickets."""
        user_id, failure = message.kwargs.get("user_id"), _failure_of(message)
        structlog.get_logger().error("job_failed", user_id=user_id, failure=failure, **_ids_of(message))
        try:
            _run(self.use_cases.fail_job(UUID(user_id), failure))
        except (ThreadsMlError, ValueError, TypeError) as error:
            structlog.get_logger().warning("failure_not_recorded", user_id=user_id, error=str(error))


def _run(coroutine: Any) -> Any:
    thread = get_event_loop_thread()
    if thread is None:
        raise RuntimeError("the AsyncIO middleware has not started its event loop")
    return thread.run_coroutine(coroutine)


def _failure_of(message: Any) -> str:
    traceback = message.options.get("traceback", "")
    return traceback.strip().rpartition("\n")[2] or "the job was too old when a worker came to it"


def _ids_of(message: Any) -> dict[str, Any]:
    return {"request_id": message.kwargs.get("request_id"), "message_id": message.message_id}


def _leave(exit_code: int) -> None:
    sys.stdout.flush()
    os._exit(exit_code)
