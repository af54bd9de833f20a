"""What callers notice of a rollback, counted."""

import pytest

from scripts.bench.http_load import Answer
from scripts.bench.rollback import _figures

V1, V2 = b'{"model_version":"collaborative_filtering_v1"}', b'{"model_version":"collaborative_filtering_v2"}'
MARKED = b'{"model_version":"collaborative_filtering_v2","stale":true}'


def test_withdrawn_answers_are_told_by_whether_they_were_marked_and_how_long_they_came() -> None:
    answers = [
        Answer(200, 0.0, 0.010, b"", V2),
        Answer(200, 11.0, 0.010, b"", V2),
        Answer(200, 12.0, 0.020, b"", MARKED),
        Answer(200, 13.0, 0.010, b"", V1),
        Answer(503, 14.0, 0.010, b"", b"{}"),
        Answer(0, 15.0, 0.010, b"", b"TimeoutError()"),
    ]

    figures = _figures(answers, began=10.0, ended=11.5, users=5, connections=2, renewed=4)

    assert figures.statuses == {"200": 4, "503": 1, "0": 1}
    assert (figures.requests, figures.failed, figures.stale_answers, figures.renewed_feeds) == (6, 2, 1, 4)
    assert (figures.command_seconds, figures.unmarked_until_seconds, figures.withdrawn_until_seconds) == (1.5, 1.0, 2.0)
    assert figures.p99_after_ms == pytest.approx(20)
