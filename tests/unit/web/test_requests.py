import json
from typing import Any

import pytest
from msgspec import UNSET

from core.domain.errors import InvalidInput
from core.domain.feed import FeedOrder
from core.domain.ids import session_id, to_uuid
from core.domain.job import FeedRequest, PagePosition
from web.cursor import write_cursor
from web.json_body import MAX_ERRORS, FieldsRefused, MediaTypeRefused
from web.requests import GenerateBody, body_request, query_request, read_body

JSON = "application/json"
POSITION = PagePosition(FeedOrder(1, 2), 50)
CURSOR = write_cursor(POSITION, to_uuid("anna"))


def read(document: Any) -> GenerateBody:
    return read_body(JSON, json.dumps(document).encode())


def refusals(body: bytes) -> dict[str, str]:
    """Rules by pointer."""
    with pytest.raises(FieldsRefused) as raised:
        read_body(JSON, body)
    return {error.pointer: error.detail for error in raised.value.errors}


def test_a_body_with_a_user_alone_takes_the_defaults() -> None:
    body = read({"user_id": "anna"})

    assert body == GenerateBody("anna", UNSET, (), UNSET)
    assert body_request(body, default_limit=50) == FeedRequest("anna", 50)


def test_a_whole_body_becomes_a_request() -> None:
    body = read({"user_id": "anna", "limit": 10, "exclude_post_ids": ["a", "b"], "cursor": CURSOR})

    assert body_request(body, default_limit=50) == FeedRequest("anna", 10, ("a", "b"), POSITION)


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"{nope", "the body must be JSON: JSON is malformed"), (b"", "the body must be JSON: input data")],
)
def test_what_is_no_json_is_told_why_in_words_as_they_are_written(body: bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_body(JSON, body)

    assert str(raised.value).startswith(said)


@pytest.mark.parametrize("user_id", ["a", "x" * 128, "ü" * 128, "\0", "a/b", "😀", " "])
def test_any_text_of_1_to_128_characters_is_a_user(user_id: str) -> None:
    assert read({"user_id": user_id}).user_id == user_id


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", "Application/JSON", "application/x.y+json"])
def test_json_may_call_itself_so(content_type: str) -> None:
    assert read_body(content_type, b'{"user_id": "anna"}').user_id == "anna"


@pytest.mark.parametrize("content_type", ["", "text/plain", "text/json", "application/xml", "application/jsonx", "js"])
def test_any_other_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(MediaTypeRefused):
        read_body(content_type, b'{"user_id": "anna"}')


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = refusals(b'{"limit": 0, "exclude_post_ids": ["a", 2], "cursor": 3, "x/y~": 1}')

    assert list(found) == ["/limit", "/exclude_post_ids/1", "/cursor", "/user_id", "/x~1y~0"]
    assert found["/user_id"] == (
        "is missing: it must be one of user_id, a string of 1 to 128 characters; or recent_post_ids, "
        "a list of 1 to 100 strings of 1 to 512 characters each, the latest first"
    )
    assert found["/limit"] == "must be a whole number from 1 to 100 (expected `int` >= 1)"
    assert (
        found["/x~1y~0"]
        == "is unknown: the fields are user_id, limit, exclude_post_ids, cursor, min_seq, recent_post_ids"
    )


def test_what_is_wrong_many_times_is_not_told_for_ever() -> None:
    assert len(refusals(json.dumps({str(number): 1 for number in range(1000)}).encode())) == MAX_ERRORS


@pytest.mark.parametrize("body", [b"[]", b"null", b"3", b'"text"', b"[" * 60_000])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusals(body) == {"": "must be a JSON object"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"user_id=anna",
        b'{"user_id": "anna"} x',
        b'{"user_id": NaN}',
        b"\xef\xbb\xbf{}",
        b'{"user_id": "\xff"}',
        b'{"user_id": "anna", "limit": "\xff"}',
        b'{"\xff": 1}',
        rb'{"user_id": "\ud800"}',
        rb'{"user_id": "\ud800abcdefgh"}',
        rb'{"user_id": "\udc00"}',
        b'{"user_id": ' + b"[" * 60_000,
        b'{"x":' * 12_000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="must be"):
        read_body(JSON, body)


@pytest.mark.parametrize("limit", [b"1e400", b"1" + b"0" * 400, b"1" + b"0" * 6000, b"-" + b"9" * 400])
def test_numbers_beyond_all_bounds_are_refused(limit: bytes) -> None:
    assert set(refusals(b'{"user_id": "anna", "limit": ' + limit + b"}")) == {"/limit"}


@pytest.mark.parametrize("limit", [b"50.0", b"5e1", b"0.5e2"])
def test_a_number_without_a_fraction_is_whole_however_it_is_written(limit: bytes) -> None:
    body = read_body(JSON, b'{"user_id": "anna", "exclude_post_ids": ["1"], "limit": %s}' % limit)

    assert body == GenerateBody("anna", 50, ("1",))
    assert query_request("anna", f"limit={limit.decode()}", 20).limit == 50


def test_the_sequence_that_a_feed_must_know_of_is_asked_for_by_number() -> None:
    assert body_request(read({"user_id": "anna", "min_seq": 7.0}), 50) == FeedRequest("anna", 50, min_seq=7)
    assert body_request(read({"user_id": "anna", "min_seq": 0}), 50) == FeedRequest("anna", 50)


@pytest.mark.parametrize("number", [b"-1", b"1.5", b'"1"', b"null", b"9223372036854775808", b"1e400"])
def test_what_is_no_sequence_is_refused(number: bytes) -> None:
    assert set(refusals(b'{"user_id": "anna", "min_seq": ' + number + b"}")) == {"/min_seq"}


def test_a_session_is_asked_for_by_its_posts_each_counted_once() -> None:
    a, b = to_uuid("a"), to_uuid("b")

    asked = body_request(read({"recent_post_ids": ["b", "a", "b"]}), 50)

    assert asked == FeedRequest(str(session_id([b, a])), 50, recent_post_ids=(b, a))


def test_a_page_of_a_session_is_bound_to_the_same_posts_in_the_same_order() -> None:
    session = session_id([to_uuid("a"), to_uuid("b")])
    cursor = write_cursor(POSITION, session)

    by_posts = body_request(read({"recent_post_ids": ["a", "b"], "cursor": cursor}), 50)
    by_name = body_request(read({"user_id": str(session), "cursor": cursor}), 50)

    assert by_posts.after == by_name.after == POSITION
    with pytest.raises(InvalidInput):
        body_request(read({"recent_post_ids": ["b", "a"], "cursor": cursor}), 50)


@pytest.mark.parametrize("posts", [[], [""], ["x" * 513], ["a"] * 101, "a", None, [1]])
def test_what_is_no_list_of_posts_is_refused(posts: object) -> None:
    (pointer,) = refusals(json.dumps({"recent_post_ids": posts}).encode())

    assert pointer.startswith("/recent_post_ids")


def test_a_user_and_a_session_are_not_asked_for_together() -> None:
    found = refusals(b'{"user_id": "anna", "recent_post_ids": ["a"]}')

    assert found == {"/recent_post_ids": "must not be sent together with user_id"}


def test_of_a_field_given_twice_the_last_one_counts() -> None:
    assert read_body(JSON, b'{"user_id": "anna", "user_id": "berta"}').user_id == "berta"


def test_a_query_makes_a_request_by_the_same_rules() -> None:
    assert query_request("an%20na", "", 50) == FeedRequest("an na", 50)
    assert query_request("anna", f"limit=7&cursor={CURSOR}&other=1", 50) == FeedRequest("anna", 7, (), POSITION)


@pytest.mark.parametrize(
    "limit", ["", "0", "-1", "101", "1.5", "ten", '"10"', "null", "true", "010", "1e0.5", "9" * 400]
)
def test_a_wrong_limit_in_a_query_is_refused(limit: str) -> None:
    with pytest.raises(FieldsRefused) as raised:
        query_request("anna", f"limit={limit}", 50)

    assert [error.pointer for error in raised.value.errors] == ["/limit"]


@pytest.mark.parametrize("query", ["limit=%FF", "cursor=%FF", "limit=1&limit=2", "cursor=", "cursor=abc"])
def test_a_query_that_makes_no_sense_is_refused(query: str) -> None:
    with pytest.raises(InvalidInput):
        query_request("anna", query, 50)


@pytest.mark.parametrize("segment", ["", "%FF", "a" * 129, "%C3"])
def test_a_path_that_names_no_user_is_refused(segment: str) -> None:
    with pytest.raises(FieldsRefused, match="/user_id must be a string of 1 to 128 characters"):
        query_request(segment, "", 50)


def test_the_rules_that_are_told_are_the_rules_that_are_checked() -> None:
    assert read({"user_id": "a", "limit": 100, "exclude_post_ids": ["x" * 512] * 1000})
    for wrong in ({"limit": 101}, {"exclude_post_ids": ["x"] * 1001}, {"exclude_post_ids": ["x" * 513]}):
        with pytest.raises(FieldsRefused):
            read({"user_id": "a", **wrong})
