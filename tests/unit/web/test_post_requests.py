import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.errors import InvalidInput
from web.json_body import FieldsRefused, MediaTypeRefused, ParametersRefused
from web.post_requests import PostBody, read_post_body, read_post_id

JSON = "application/json"


def read(document: Any) -> PostBody:
    return read_post_body(JSON, json.dumps(document).encode())


def refused(document: Any) -> list[str]:
    """The pointers of what is wrong."""
    with pytest.raises(FieldsRefused) as raised:
        read(document)
    return [error.pointer for error in raised.value.errors]


def test_what_is_not_said_is_not_hidden_and_never_over() -> None:
    assert read({}) == read({"hidden": False, "expires_at": None}) == PostBody(hidden=False, expires_at=None)


@pytest.mark.parametrize("text", ["2026-11-23T12:00:00Z", "2026-11-23T13:00:00+01:00", "2026-11-23T12:00:00.000000Z"])
def test_a_moment_is_read_in_utc(text: str) -> None:
    assert read({"hidden": True, "expires_at": text}) == PostBody(True, datetime(2026, 11, 23, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    "moment", ["2026-11-23T12:00:00", "tomorrow", "", 5, True, "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"]
)
def test_a_moment_without_an_offset_or_beyond_the_calendar_is_refused(moment: object) -> None:
    assert refused({"expires_at": moment}) == ["/expires_at"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert refused({"hidden": "yes", "expires_at": 1, "expire_at": 1}) == ["/hidden", "/expires_at", "/expire_at"]


def test_a_body_must_be_json() -> None:
    with pytest.raises(InvalidInput):
        read_post_body(JSON, b"")
    with pytest.raises(MediaTypeRefused):
        read_post_body("text/plain", b"{}")


def test_any_text_names_a_post_and_stays_as_it_was_written() -> None:
    assert read_post_id("a%2Fb%20%C3%BC") == "a/b ü"


@pytest.mark.parametrize("segment", ["", "%FF", "a" * 513, "%20", "%20%09%0A", "a%00b"])
def test_a_path_that_names_no_post_is_refused(segment: str) -> None:
    with pytest.raises(ParametersRefused, match="/post_id must be a string of 1 to 512 characters, not blank"):
        read_post_id(segment)
