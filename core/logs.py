"""Structured logging, set up once per process."""

import json
import logging
import sys
from datetime import UTC, datetime

import msgspec
import structlog


def set_up_logs(level: str, process_name: str, *additions: structlog.typing.Processor) -> None:
    """Write one line per event to standard output: for people on a terminal, JSON elsewhere.

    additions: what else this kind of process has to say about each event.
    """
    renderer, stamp = _for_people() if sys.stdout.isatty() else (_json, _stamp)

    def name_process(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        # Not a context variable: threads that others start do not inherit those.
        event["process"] = process_name
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        *additions,
        structlog.processors.add_log_level,
        stamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _for_people() -> tuple[structlog.typing.Processor, structlog.typing.Processor]:
    return structlog.dev.ConsoleRenderer(), structlog.processors.TimeStamper(fmt="iso", utc=True)


def _stamp(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The encoder writes a moment in a tenth of the time in which it becomes a text."""
    event["timestamp"] = datetime.now(UTC)
    return event


def _json(_: object, __: str, event: structlog.typing.EventDict) -> str:
    """A request costs a line: the standard library's encoder would take as long as the answer's own."""
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode()
    except (ValueError, TypeError):  # half a surrogate pair, or a key that is no text: neither may cost the line
        return json.dumps(event, default=_text_of, skipkeys=True)


def _text_of(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
