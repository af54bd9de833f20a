"""`python -m worker --queue feeds`: a worker with the settings' number of processes and threads."""

import argparse
import asyncio
import os
import sys

from core.domain.errors import ConfigurationError
from core.domain.job import Queue
from core.logs import set_up_logs
from worker.configuration import PROCESS_NAMES, load_worker_settings
from worker.supervision import supervise


def main() -> int:
    """Check the settings, then keep the processes running; the exit code."""
    arguments = _parser().parse_args()
    queue = Queue(arguments.queue)
    try:
        settings = load_worker_settings()
    except ConfigurationError as error:
        sys.stderr.write(f"worker: {error}\n")
        return ConfigurationError.EXIT_CODE
    # One BLAS thread a process: the processes are the parallelism.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    set_up_logs(settings.log_level, PROCESS_NAMES[queue])
    processes, threads = arguments.processes or settings.worker_processes, arguments.threads or settings.worker_threads
    return asyncio.run(supervise(settings, queue, processes, threads))


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


if __name__ == "__main__":
    sys.exit(main())
