"""What callers got in an outage, counted."""

from scripts.bench.http_load import Answer
from scripts.bench.outage import Asked, Noted, _figures

CACHE, POPULAR = b"HTTP/1.1 200 OK\r\nFeed-Source: cache\r\n\r\n", b"HTTP/1.1 200 OK\r\nfeed-source: popular\r\n\r\n"
PLAIN, PROVISIONAL = b"{}", b'{"provisional":true}'
OVERLOADED = b'{"type":"urn:threads-ml:problem:overloaded"}'


def noted(
    began: float, status: int = 200, headers: bytes = CACHE, body: bytes = PLAIN, asked: Asked = Asked.STORED
) -> Noted:
    return Noted(asked, Answer(status, began, 0.010, headers, body))


def test_answers_are_counted_by_status_source_and_mark_while_the_part_is_away() -> None:
    answers = [
        noted(0.5),
        noted(1.0),
        noted(1.1, body=PROVISIONAL),
        noted(1.2, headers=POPULAR),
        noted(1.3, status=202, headers=b""),
        noted(2.5),
    ]

    row = _figures("postgres", answers, (1.0, 2.0), returned=2.1)

    assert row.requests == 4
    assert row.answers == {"200 cache": 1, "200 cache provisional": 1, "200 popular": 1, "202": 1}


def test_callers_are_failed_by_silence_and_by_any_5xx_but_the_refusal_of_too_many_jobs() -> None:
    answers = [noted(1.0, 503, b"", OVERLOADED), noted(1.0, 503, b"", PLAIN), noted(1.0, 500), noted(1.0, 0, b"")]

    assert _figures("redis", answers, (0.0, 2.0), returned=2.0).failures == 3


def test_things_are_normal_again_after_the_last_answer_that_was_not() -> None:
    answers = [
        noted(1.0, headers=POPULAR),
        noted(3.0, headers=POPULAR),
        noted(4.0, headers=POPULAR, asked=Asked.STRANGER),
        noted(5.0),
    ]

    assert _figures("redis", answers, (0.0, 2.0), returned=2.5).normal_again_seconds == 0.5
    assert _figures("redis", answers[3:], (0.0, 2.0), returned=2.5).normal_again_seconds == 0
