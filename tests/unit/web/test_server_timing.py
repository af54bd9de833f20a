"""Where an answer's milliseconds went."""

from dataclasses import replace

import pytest

from core.domain.feed import FeedSource
from core.domain.job import FeedRequest
from core.domain.page import page_of
from tests.builders import USER, feed_of
from web.server_timing import timing_of

ASKED = FeedRequest(USER, limit=2)


@pytest.mark.parametrize("source", [FeedSource.CACHE, FeedSource.ARCHIVE, FeedSource.STALE, FeedSource.POPULAR])
def test_what_was_stored_was_found(source: FeedSource) -> None:
    assert timing_of(page_of(feed_of(), ASKED, source), 1.5) == "cache;dur=1.50"


@pytest.mark.parametrize(
    ("compute_ms", "expected"), [(8.0, "queue;dur=4.00, compute;dur=8.00"), (20.0, "queue;dur=0.00, compute;dur=12.00")]
)
def test_what_was_made_waited_and_was_computed(compute_ms: float, expected: str) -> None:
    page = page_of(replace(feed_of(), compute_ms=compute_ms), ASKED, FeedSource.GENERATED)

    assert timing_of(page, 12.0) == expected
