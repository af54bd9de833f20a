"""Where an answer's milliseconds went, for the header Server-Timing (W3C)."""

from core.domain.feed import FeedSource
from core.domain.page import FeedPage

SERVER_TIMING = "Server-Timing"


def whole_timing(seconds: float, parts: str = "") -> str:
    """seconds: from the request's head to its answer; parts: what `timing_of` tells of them."""
    return f"app;dur={seconds * 1000:.2f}" + (f", {parts}" if parts else "")


def timing_of(page: FeedPage, milliseconds: float) -> str:
    """milliseconds: to find the feed, or to have it made; what the worker did not need of it was spent on the way."""
    if page.source is not FeedSource.GENERATED:
        return f"cache;dur={milliseconds:.2f}"
    compute = min(page.compute_ms, milliseconds)
    return f"queue;dur={milliseconds - compute:.2f}, compute;dur={compute:.2f}"
