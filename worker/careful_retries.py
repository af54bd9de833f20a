"""Retries that are never taken for done, and a note of what each thread has begun with."""

from typing import Any

import structlog
from dramatiq import Broker, MessageProxy, Middleware
from dramatiq.middleware import Retries

from worker.broker import FeedBroker
from worker.waking_consumer import lost_connections


class CarefulRetries(Retries):
    """A message that could not be put in again fails: acknowledged, as Dramatiq would do, it would be gone."""

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Decide whether and when the message is tried again."""
        try:
            super().after_process_message(  # type: ignore[no-untyped-call]  # Dramatiq's hook carries no types
                broker, message, result=result, exception=exception
            )
        except Exception as error:  # whatever it was, the message is not in the queue
            structlog.get_logger().error("retry_not_enqueued", message_id=message.message_id, error=repr(error))
            message.fail()


class NotedStarts(Middleware):
    """Tells messages over which a worker died from those that only lay beside them."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Note the start; without Redis the message is done all the same."""
        if isinstance(broker, FeedBroker) and not message.failed:
            with lost_connections():
                broker.start(message.queue_name, message.options["redis_message_id"])
