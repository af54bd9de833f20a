"""Answers whose headers need no cleaning."""

import pytest
from sanic.response import HTTPResponse

from web.plain_response import PlainResponse


@pytest.mark.parametrize("value", ["plain", 'W/"1-2"', "é", "two\r\nX-Injected: lines", 7])
def test_headers_are_those_that_sanic_would_send(value: str) -> None:
    headers = {"X-Some": value, "Feed-Source": "cache"}
    ours = PlainResponse(b"{}", 200, headers=headers, content_type="application/json")
    sanics = HTTPResponse(b"{}", 200, headers=headers, content_type="application/json")

    assert list(ours.processed_headers) == list(sanics.processed_headers)
