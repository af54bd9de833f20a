"""Round trips of missing feeds, counted."""

from scripts.bench.http_load import Answer
from scripts.bench.miss import _figures


def test_percentiles_sources_and_statuses_are_those_of_the_answers() -> None:
    head = b"HTTP/1.1 200 OK\r\nFeed-Source: generated\r\n\r\n"
    answers = [Answer(200, 0.0, milliseconds / 1000, head, b"{}") for milliseconds in range(1, 101)]

    figures = _figures([*answers, Answer(202, 0.0, 2.0, b"HTTP/1.1 202 Accepted\r\n\r\n", b"{}")], users=7)

    assert (figures.users, figures.requests) == (7, 101)
    assert round(figures.p50_ms) == 51
    assert round(figures.p99_ms) == 100
    assert figures.worst_ms == 2000
    assert figures.sources == {"generated": 100, "none": 1}
    assert figures.statuses == {"200": 100, "202": 1}
