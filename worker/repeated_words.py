"""What Dramatiq logs of a job though the job's own line says it already."""

import logging

from core.domain.errors import ThreadsMlError

# Where its worker threads write.
DRAMATIQ_LOGGER = "dramatiq.worker.WorkerThread"
# A job's outcome is for the middleware that counts: no result is to be kept anywhere.
_RESULT_DISCARDED = "returned a value that is not None"


def leave_out_repeated_words() -> None:
    """From now on in this process; twice does no harm."""
    logging.getLogger(DRAMATIQ_LOGGER).addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """The service's own errors are expected, and their line tells all of them; others keep their tracebacks."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, ThreadsMlError) and _RESULT_DISCARDED not in record.getMessage()
