"""Events are read one by one: what is wrong with one is told, the others stand."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from core.domain.errors import InvalidInput
from core.domain.event import EventsRefused, IdsTaken, Receipt, Refusal
from core.domain.ids import to_uuid
from core.domain.interaction import InteractionType
from web.events import EventIdsTaken, read_events, receipt_body, refused_fields
from web.json_body import FieldError, FieldsRefused, MediaTypeRefused

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVENT = {"user_id": "anna", "post_id": "post-1", "interaction_type": "like"}
JSON = "application/json"


def body_of(**fields: Any) -> bytes:
    return msgspec.json.encode(EVENT | fields)


def many(*events: Any, **fields: Any) -> bytes:
    return msgspec.json.encode({"events": list(events), **fields})


def test_a_body_that_is_one_event_is_read() -> None:
    [event] = read_events(JSON, body_of(metadata={"a": [1]}), NOW).events

    assert (event.user_text, event.user_id, event.type) == ("anna", to_uuid("anna"), InteractionType.LIKE)
    assert (event.created_at, event.is_timed, event.metadata) == (NOW, False, '{"a":[1]}')


def test_of_a_character_that_postgres_does_not_keep_the_replacement_is_kept() -> None:
    body = b'{"user_id": "a", "post_id": "b", "interaction_type": "like", "metadata": ' + (
        rb'{"x\u0000": "\\\\u0000 \\\\\u0000"}}'
    )

    [event] = read_events(JSON, body, NOW).events

    assert event.metadata == r'{"x\ufffd": "\\\\u0000 \\\\\ufffd"}'


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", "text/plain", "text/plain;charset=UTF-8"])
def test_pages_may_call_it_text(content_type: str) -> None:
    assert len(read_events(content_type, body_of(), NOW).events) == 1


@pytest.mark.parametrize("content_type", ["", "text/html", "text/plainer", "multipart/form-data"])
def test_anything_else_is_refused(content_type: str) -> None:
    with pytest.raises(MediaTypeRefused):
        read_events(content_type, body_of(), NOW)


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"interaction_type": "poke"}, "/interaction_type", "one of view, click, like, share"),
        ({"interaction_type": None}, "/interaction_type", "one of view"),
        ({"user_id": " "}, "/user_id", "not blank"),
        ({"user_id": ""}, "/user_id", "not blank"),
        ({"user_id": "a" * 129}, "/user_id", "1 to 128 characters"),
        ({"post_id": "a\0b"}, "/post_id", "not blank"),
        ({"post_id": 7}, "/post_id", "a string"),
        ({"id": ""}, "/id", "not blank"),
        ({"created_at": "yesterday"}, "/created_at", "a time like"),
        ({"created_at": 1700000000}, "/created_at", "a time like"),
        ({"created_at": "1969-12-31T23:59:59Z"}, "/created_at", "before 1970"),
        ({"created_at": "2026-11-25T12:00:01Z"}, "/created_at", "more than a day ahead"),
        ({"metadata": []}, "/metadata", "an object"),
        ({"metadata": {"a": "b" * 5000}}, "/metadata", "at most 4096 bytes"),
        ({"typo": 1}, "/typo", "is unknown"),
    ],
)
def test_a_field_that_breaks_its_rule_is_told_alone_and_in_a_list(
    fields: dict[str, Any], pointer: str, detail: str
) -> None:
    with pytest.raises(FieldsRefused) as raised:
        read_events(JSON, body_of(**fields), NOW)
    told = read_events(JSON, many(EVENT, EVENT | fields), NOW)

    [error] = raised.value.errors
    assert (error.pointer, detail in error.detail) == (pointer, True)
    assert len(told.events) == 1
    assert [(refusal.place, refusal.field) for refusal in told.refusals] == [(1, pointer[1:])]


def test_what_is_no_event_at_all_is_told_of_by_its_place() -> None:
    told = read_events(JSON, many(EVENT, 7, None, {}), NOW)

    assert [(refusal.place, refusal.field) for refusal in told.refusals] == [(1, ""), (2, ""), (3, "user_id")]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (many(), "/events"),
        (many(*[EVENT] * 1001), "/events"),
        (b'{"events": 7}', "/events"),
        (many(EVENT, all_or_nothing=1), "/all_or_nothing"),
        (many(EVENT, typo=1), "/typo"),
        (b"{}", "/user_id"),
        (b"[]", ""),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_as_a_whole(body: bytes, pointer: str) -> None:
    with pytest.raises(FieldsRefused) as raised:
        read_events(JSON, body, NOW)

    assert raised.value.errors[0].pointer == pointer


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"user_id": "\xff"}', b"[" * 99_999, b'{"events": ' + b"[" * 9999]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_events(JSON, body, NOW)


def test_a_thousand_events_are_read() -> None:
    told = read_events(JSON, many(*(EVENT | {"id": str(number)} for number in range(1000)), all_or_nothing=True), NOW)

    assert (len(told.events), told.refusals, told.all_or_nothing) == (1000, [], True)
    assert [event.place for event in told.events] == list(range(1000))


def test_of_metadata_that_is_no_text_the_event_is_told() -> None:
    body = b'{"events": [{"user_id": "a", "post_id": "b", "interaction_type": "like", "metadata": {"a": "\xff"}}]}'

    told = read_events(JSON, body, NOW)

    assert [(refusal.field, refusal.reason) for refusal in told.refusals] == [("metadata", "must be UTF-8")]


def test_refusals_point_into_the_body() -> None:
    refusals = [Refusal(3, "id", "is taken", is_id_taken=True), Refusal(4, "", "is refused")]

    in_many = refused_fields(EventsRefused(refusals), many(EVENT))
    alone = refused_fields(IdsTaken(refusals[:1]), body_of())

    assert in_many.errors == [FieldError("/events/3/id", "is taken"), FieldError("/events/4", "is refused")]
    assert not isinstance(in_many, EventIdsTaken)
    assert isinstance(alone, EventIdsTaken)
    assert alone.errors == [FieldError("/id", "is taken")]


def test_a_receipt_lists_what_is_not_recorded() -> None:
    clean = msgspec.json.encode(receipt_body(Receipt(7, 2, 1)))
    mixed = msgspec.to_builtins(receipt_body(Receipt(7, 2, 0, [Refusal(1, "user_id", "is missing")])))

    assert clean == b'{"sequence":7,"accepted":2,"repeated":1,"refused":0}'
    assert mixed["errors"] == [{"index": 1, "pointer": "/events/1/user_id", "detail": "is missing"}]
