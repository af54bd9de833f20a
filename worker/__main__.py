"""`python -m worker --queue feeds`: a worker with the settings' number of processes and threads."""

import argparse
import os
import sys

from core.domain.errors import ConfigurationError
from core.domain.job import Queue
from core.settings import Settings
from worker.configuration import load_worker_settings

# Platforms kill 30 s after SIGTERM.
DRAIN_MILLISECONDS = 25_000
SET_UP = {Queue.FEEDS: "worker.main:feeds", Queue.FEEDS_BULK: "worker.main:feeds_bulk"}


def main() -> None:
    """Check the settings, then become Dramatiq's master process."""
    arguments = _parser().parse_args()
    try:
        settings = load_worker_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"worker: {error}\n")
        raise SystemExit(ConfigurationError.EXIT_CODE) from error
    # One BLAS thread a process: the processes are the parallelism.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    command = _command(Queue(arguments.queue), settings, arguments.processes, arguments.threads)
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, no shell wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker", description="Generate feeds.")
    parser.add_argument("--queue", required=True, choices=[queue.value for queue in Queue])
    parser.add_argument("--processes", type=_positive, default=None, help="default: WORKER_PROCESSES")
    parser.add_argument("--threads", type=_positive, default=None, help="jobs at once; default: WORKER_THREADS")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number


def _command(queue: Queue, settings: Settings, processes: int | None, threads: int | None) -> list[str]:
    return [
        *(sys.executable, "-m", "dramatiq", SET_UP[queue]),
        *("--processes", str(processes or settings.worker_processes)),
        *("--threads", str(threads or settings.worker_threads)),
        *("--worker-shutdown-timeout", str(DRAIN_MILLISECONDS), "--skip-logging"),
    ]


if __name__ == "__main__":
    main()
