"""What is told of every answer: a line in the log, and a count."""

import structlog

from web.metrics import NO_SOURCE, WebMetrics


class AnswerLog:
    """One for each process."""

    def __init__(self, metrics: WebMetrics) -> None:
        self._metrics = metrics
        # Bound once: to put a logger together anew would cost each request as much as its line.
        self._log = structlog.get_logger().bind()

    def answered(
        self,
        method: str,
        path: str,
        status: int,
        seconds: float,
        *,
        source: str | None,
        model_version: str | None,
        request_id: str,
    ) -> None:
        """source, model_version: of a feed, None where the answer has none."""
        self._metrics.answered(source or NO_SOURCE, status, seconds)
        self._log.info(
            "request",
            method=method,
            path=path,
            status=status,
            duration_ms=round(seconds * 1000, 2),
            source=source,
            model_version=model_version,
            request_id=request_id,
        )
