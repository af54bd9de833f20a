"""What a benchmark's own process logs while it measures: nothing that goes well."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def only_warnings() -> Iterator[None]:
    """Warnings and errors alone inside the block; afterwards the log is as it was, for whoever goes on."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.configure(**before)
