"""Heads of the request that is made most often."""

import pytest

from web.json_body import MAX_BODY_BYTES
from web.request_head import RequestHead, read_head

LINE = b"POST /recommendations/generate HTTP/1.1\r\n"


def received(*fields: bytes, body: bytes = b"{}") -> bytes:
    """A request with these header fields besides the length."""
    return LINE + b"".join(field + b"\r\n" for field in fields) + b"content-length: %d\r\n\r\n" % len(body) + body


def test_what_is_needed_of_a_head_is_read_and_the_rest_is_let_be() -> None:
    fields = (
        b"Host: example.org",
        b"Content-Type:application/json ",
        b"ACCEPT-ENCODING: gzip, br",
        b"User-Agent: x/1 (y; z)",
        b"Connection: Keep-Alive",
        b"Prefer: wait=2",
        b"X-Request-ID: abc",
    )
    sent = received(*fields, body=b"{}")

    assert read_head(sent + b"more") == RequestHead(
        length=len(sent) - 2,
        body_length=2,
        content_type="application/json",
        accept_encoding="gzip, br",
        prefer="wait=2",
        request_id="abc",
    )


@pytest.mark.parametrize("length", [0, 1, MAX_BODY_BYTES])
def test_a_body_up_to_the_limit_may_follow(length: int) -> None:
    head = read_head(received(b"Host: x", body=b"x" * length))

    assert head is not None
    assert head.body_length == length


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        LINE,
        LINE + b"Host: x\r\n",
        LINE + b"\r\n",
        LINE + b"Host: x\r\n\r\n",
        received(b"Host: x").replace(b"POST", b"GET"),
        received(b"Host: x").replace(b"1.1", b"1.0"),
        received(b"Host: x").replace(b"generate", b"generate?a=b"),
        received(b"Host: x").replace(b"/rec", b"//rec"),
        received(b"Host: x", body=b"x" * (MAX_BODY_BYTES + 1)),
        LINE + b"content-length: +2\r\n\r\n{}",
        LINE + b"content-length: 2,2\r\n\r\n{}",
        LINE + b"content-length: \r\n\r\n{}",
        LINE + b"content-length: 2" + b"0" * 100_000 + b"\r\n\r\n{}",
        received(b"Content-Length: 2"),
        received(b"Transfer-Encoding: chunked"),
        received(b"Expect: 100-continue"),
        received(b"Upgrade: websocket"),
        received(b"Connection: close"),
        received(b"Prefer: wait=1", b"Prefer: fallback"),
        received(b"Host : x"),
        received(b"Host"),
        received(b" folded: x"),
        received(b"X: a", b"\tfolded"),
        received(b"X: \x00"),
        received(b"X: \xe9"),
        received(b"X: a\nY: b"),
        received(b"X: a\rY: b"),
        received(b"X@: a"),
        b"\r\n" + received(b"Host: x"),
        received(b"X: " + b"x" * 8192),
    ],
)
def test_anything_unusual_is_left_to_who_knows_all_of_http(sent: bytes) -> None:
    assert read_head(sent) is None
