"""Set-up callables for Dramatiq's command line: `dramatiq worker.main:feeds` and `dramatiq worker.main:feeds_bulk`."""

import os
import sys

import dramatiq
from dramatiq.middleware import AgeLimit, AsyncIO, TimeLimit

from core.domain.errors import ConfigurationError
from core.domain.job import Queue
from core.logs import set_up_logs
from core.settings import Settings
from worker.actors import declare_actors
from worker.broker import build_broker
from worker.careful_retries import CarefulRetries, NotedStarts
from worker.configuration import PROCESS_NAMES, load_worker_settings
from worker.final_failure import FinalFailure
from worker.freshness_metrics import FreshnessMetrics
from worker.job_metrics import JobMetrics, MeteredJobs, open_registry
from worker.lifespan import Lifespan
from worker.repeated_words import leave_out_repeated_words
from worker.tail_metrics import TailMetrics


def feeds() -> None:
    """A process for which people wait."""
    _set_up(Queue.FEEDS)


def feeds_bulk() -> None:
    """A process for which nobody waits."""
    _set_up(Queue.FEEDS_BULK)


def _set_up(queue: Queue) -> None:
    try:
        settings = load_worker_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"{PROCESS_NAMES[queue]}: {error}\n")
        raise SystemExit(ConfigurationError.EXIT_CODE) from error
    # Not through Dramatiq's pipe to its master, which brings every line out on standard error, while the master lives.
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    set_up_logs(settings.log_level, PROCESS_NAMES[queue])
    leave_out_repeated_words()
    _declare(settings, queue)


def _declare(settings: Settings, queue: Queue) -> None:
    """The order matters: `before` hooks run from left to right, `after` hooks from right to left."""
    registry = open_registry(os.environ)
    lifespan = Lifespan(settings, queue, FreshnessMetrics(registry), TailMetrics(registry).told)
    final_failure = FinalFailure(lifespan)
    metered = MeteredJobs(JobMetrics(registry))
    middleware = [AgeLimit(), metered, final_failure, TimeLimit(), CarefulRetries(), NotedStarts(), AsyncIO(), lifespan]
    broker = build_broker(settings, middleware, final_failure.on_quarantine)
    dramatiq.set_broker(broker)
    declare_actors(broker, queue, lifespan)
