"""What happens to a job that is given up."""

from typing import Any
from uuid import UUID

import structlog
from dramatiq import Broker, Message, MessageProxy, Middleware
from dramatiq.middleware import TimeLimitExceeded

from core.domain.errors import ThreadsMlError, Unavailable
from core.domain.job import Queue
from worker.lifespan import Lifespan, run_on_loop


class FinalFailure(Middleware):
    """Stands before Retries in the middleware, and so comes to a failed message once Retries has decided on it.

    It acts before the message is acknowledged: should the process die meanwhile, the message is delivered again. A
    message that was too old to begin with fails nobody's ticket: its lease is long over, so that the next poll begins
    the job anew. Nor does a bulk message, for which nobody waits.
    """

    def __init__(self, lifespan: Lifespan) -> None:
        self._lifespan = lifespan

    def after_process_message(
        self,
        _: Broker,
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002 - Dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        """Tell the holders of tickets, if this was the last attempt."""
        if exception is None or not message.failed:
            return
        job = {"user_id": message.kwargs.get("user_id"), "request_id": message.kwargs.get("request_id")}
        structlog.get_logger().error("job_given_up", queue=message.queue_name, error=repr(exception), **job)
        if message.queue_name == Queue.FEEDS:
            self._fail(message, _told(exception))

    def on_quarantine(self, message: Message[Any]) -> None:
        """Tell the holders of tickets that workers died over the job."""
        if message.queue_name == Queue.FEEDS:
            self._fail(message, "the worker that generated the feed died, three times")

    def _fail(self, message: MessageProxy | Message[Any], failure: str) -> None:
        try:
            user_id = UUID(message.kwargs["user_id"])
            run_on_loop(self._lifespan.parts.fail_job(user_id, failure))
        except (ThreadsMlError, LookupError, ValueError, TypeError, AttributeError) as error:
            structlog.get_logger().warning("failure_not_recorded", message_id=message.message_id, error=str(error))


def _told(exception: BaseException) -> str:
    """What callers may know of it: the service's own errors are written for them, others are in the log."""
    if isinstance(exception, Unavailable):
        return "a server that is needed did not answer"
    if isinstance(exception, ThreadsMlError):
        return str(exception)
    if isinstance(exception, TimeLimitExceeded):
        return "generating the feed took too long"
    return f"generating the feed failed: {type(exception).__name__}"
