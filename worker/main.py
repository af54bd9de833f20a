"""Set-up callables for Dramatiq's command line: `dramatiq worker.main:feeds` and `dramatiq worker.main:feeds_bulk`."""

import dramatiq

from core.domain.job import Queue
from core.logs import set_up_logs
from core.settings import load_settings
from worker.actors import declare_actors
from worker.broker import build_broker
from worker.lifespan import Lifespan


def feeds() -> None:
    """A process for which people wait."""
    _set_up(Queue.FEEDS, "worker")


def feeds_bulk() -> None:
    """A process for which nobody waits."""
    _set_up(Queue.FEEDS_BULK, "worker-bulk")


def _set_up(queue: Queue, process_name: str) -> None:
    settings = load_settings()
    set_up_logs(settings.log_level, process_name)
    lifespan = Lifespan(settings, queue)
    broker = build_broker(settings, lifespan)
    dramatiq.set_broker(broker)
    declare_actors(broker, lifespan)
