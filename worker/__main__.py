"""`python -m worker --queue feeds`: a worker with the settings' number of processes and threads."""

import argparse
import os
import sys

from core.domain.errors import ConfigurationError
from core.domain.job import Queue
from core.settings import Settings, load_settings

DRAIN_MILLISECONDS = 25_000
SET_UP = {Queue.FEEDS: "worker.main:feeds", Queue.FEEDS_BULK: "worker.main:feeds_bulk"}


def main() -> None:
    """Check the settings, then become Dramatiq's master process."""
    arguments = _parser().parse_args()
    try:
        settings = _checked(load_settings())
    except ConfigurationError as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - the one line a person needs
        sys.exit(ConfigurationError.EXIT_CODE)
    # One BLAS thread a process: the processes are the parallelism.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    command = _command(Queue(arguments.queue), settings, arguments.processes, arguments.threads)
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, no shell wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker", description="Generate feeds.")
    parser.add_argument("--queue", required=True, choices=[queue.value for queue in Queue])
    parser.add_argument("--processes", type=int, default=None, help="default: WORKER_PROCESSES")
    parser.add_argument("--threads", type=int, default=None, help="jobs at once; default: WORKER_THREADS")
    return parser


def _checked(settings: Settings) -> Settings:
    for name, value in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        if not value:
            raise ConfigurationError(f"{name} is not set: a worker needs it")
    return settings


def _command(queue: Queue, settings: Settings, processes: int | None, threads: int | None) -> list[str]:
    return [
        *(sys.executable, "-m", "dramatiq", SET_UP[queue], "--queues", queue.value),
        *("--processes", str(processes or settings.worker_processes)),
        *("--threads", str(threads or settings.worker_threads)),
        *("--worker-shutdown-timeout", str(DRAIN_MILLISECONDS), "--skip-logging"),
    ]


if __name__ == "__main__":
    main()
