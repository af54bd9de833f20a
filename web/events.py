"""What callers may tell of interactions, rule by rule, and how what became of them looks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from core.domain.errors import InvalidInput
from core.domain.event import EVENTS_AT_MOST, Event, EventsRefused, IdsTaken, Receipt, Refusal, event_of
from core.domain.interaction import InteractionType
from web.json_body import MAX_ERRORS, FieldError, FieldsRefused, JsonBody, check_json_type
from web.requests import RECORDED_ID, RecordedPostId

MAX_METADATA_BYTES = 4096

_TYPES = ", ".join(InteractionType)
RULES = {
    "user_id": "a string of 1 to 128 characters, not blank",
    "post_id": "a string of 1 to 512 characters, not blank",
    "interaction_type": f"one of {_TYPES}",
    "id": "a string of 1 to 128 characters, not blank",
    "created_at": "a time like 2026-11-24T12:00:00Z",
    "metadata": f"an object of at most {MAX_METADATA_BYTES} bytes; of U+0000 in it U+FFFD is kept",
    "events": f"a list of 1 to {EVENTS_AT_MOST:,} events",
    "all_or_nothing": "true or false",
}


class EventBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a user did with a post. `id`: of the caller's choice; told again under it the event counts once. Without one

    its content is its id. `created_at`: without it, and where it is ahead of the service's clock, now.
    """

    user_id: Annotated[str, Meta(min_length=1, max_length=128, pattern=RECORDED_ID, description=RULES["user_id"])]
    post_id: Annotated[RecordedPostId, Meta(description=RULES["post_id"])]
    interaction_type: InteractionType
    id: Annotated[str, Meta(min_length=1, max_length=128, pattern=RECORDED_ID, description=RULES["id"])] | UnsetType = (
        UNSET
    )
    created_at: datetime | UnsetType = UNSET
    metadata: msgspec.Raw | UnsetType = UNSET


class EventsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many events. `all_or_nothing`: where one is refused none is recorded."""

    events: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=EVENTS_AT_MOST, description=RULES["events"])]
    all_or_nothing: bool = False


class EventProblem(msgspec.Struct, frozen=True):
    """An event that is not recorded: `index` is its place in the list, `pointer` what is wrong, into the body."""

    index: int
    pointer: str
    detail: str


class ReceiptBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """`sequence`: a feed that is built from there on knows of all of these events, which `min_seq` can ask for.

    accepted: events that are new; repeated: recorded before, or told twice; refused: not recorded, for these `errors`.
    """

    sequence: int
    accepted: int
    repeated: int
    refused: int
    errors: list[EventProblem] | UnsetType = UNSET


class EventIdsTaken(FieldsRefused):
    """Other interactions have the ids of all events."""


@dataclass(frozen=True, slots=True)
class Told:
    """A request's events that can be recorded, and what is wrong with the others."""

    events: Sequence[Event]
    refusals: Sequence[Refusal] = ()
    all_or_nothing: bool = False


_EVENT = JsonBody(EventBody, RULES)
_EVENTS = JsonBody(EventsBody, RULES)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
# In JSON text it can stand as an escape alone; Postgres keeps none. An even number of backslashes before it are pairs.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_PLAIN_TEXT = re.compile(r"text/plain\s*(?:;.*)?", re.IGNORECASE)


def read_events(content_type: str, body: bytes, now: datetime) -> Told:
    """The events of a body that is one, or has many; raises MediaTypeRefused, FieldsRefused and InvalidInput.

    A page's `sendBeacon` can send text/plain alone to another host without asking it first.
    """
    if _PLAIN_TEXT.fullmatch(content_type.strip()) is None:
        check_json_type(content_type)
    if not _has_many(body):
        event = _EVENT.parse(body)
        try:
            return Told([_event(0, event, now)])
        except InvalidInput as error:
            raise FieldsRefused([FieldError(f"/{error.pointer}", str(error))]) from error
    many = _EVENTS.parse(body)
    return _told(many.events, now, all_or_nothing=many.all_or_nothing)


def refused_fields(error: EventsRefused, body: bytes) -> FieldsRefused:
    """The same as errors in fields of the body; of many the first."""
    has_many, kind = _has_many(body), EventIdsTaken if isinstance(error, IdsTaken) else FieldsRefused
    first = error.refusals[:MAX_ERRORS]
    return kind([FieldError(_pointer(refusal, has_many), refusal.reason) for refusal in first])


def receipt_body(receipt: Receipt) -> ReceiptBody:
    """The receipt as callers see it."""
    problems = [EventProblem(it.place, _pointer(it, has_many=True), it.reason) for it in receipt.refusals]
    return ReceiptBody(
        sequence=receipt.sequence,
        accepted=receipt.accepted,
        repeated=receipt.repeated,
        refused=len(problems),
        errors=problems or UNSET,
    )


def _told(raw_events: Sequence[msgspec.Raw], now: datetime, *, all_or_nothing: bool) -> Told:
    events, refusals = [], []
    for place, raw in enumerate(raw_events):
        try:
            events.append(_event(place, _EVENT.parse(bytes(raw)), now))
        except FieldsRefused as error:
            first = error.errors[0]
            refusals.append(Refusal(place, first.pointer.removeprefix("/"), first.detail))
        except InvalidInput as error:
            refusals.append(Refusal(place, error.pointer, str(error)))
    return Told(events, refusals, all_or_nothing)


def _event(place: int, body: EventBody, now: datetime) -> Event:
    return event_of(
        place,
        body.user_id,
        body.post_id,
        body.interaction_type,
        now,
        id_text=None if body.id is UNSET else body.id,
        told_at=None if body.created_at is UNSET else body.created_at,
        metadata=None if body.metadata is UNSET else _metadata(bytes(body.metadata)),
    )


def _metadata(raw: bytes) -> str:
    if not raw.startswith(b"{") or len(raw) > MAX_METADATA_BYTES:
        raise InvalidInput(f"must be {RULES['metadata']}", "metadata")
    try:
        return _NUL.sub(r"\1\\ufffd", raw.decode())
    except UnicodeDecodeError as error:
        raise InvalidInput("must be UTF-8", "metadata") from error


def _has_many(body: bytes) -> bool:
    """What cannot be read is taken for one event, whose rules then say what is wrong."""
    try:
        return "events" in _OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _pointer(refusal: Refusal, has_many: bool) -> str:
    event = f"/events/{refusal.place}" if has_many else ""
    return f"{event}/{refusal.field}" if refusal.field else event
