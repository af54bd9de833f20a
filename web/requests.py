"""What callers may send, rule by rule."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec
from msgspec import UNSET, Meta, UnsetType

from core.domain.errors import InvalidInput
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest
from web.cursor import SHAPE, read_cursor

MAX_BODY_BYTES = 64 * 1024
MAX_ERRORS = 20

_RULES = {
    "user_id": "a string of 1 to 128 characters",
    "limit": "a whole number from 1 to 100",
    "exclude_post_ids": "a list of at most 1,000 strings of 1 to 512 characters each",
    "cursor": "a string: the next_cursor of an earlier answer for this user",
}

UserId = Annotated[str, Meta(min_length=1, max_length=128, description=_RULES["user_id"])]
Limit = Annotated[int, Meta(ge=1, le=100, description=_RULES["limit"])]
PostId = Annotated[str, Meta(min_length=1, max_length=512)]
ExcludedPostIds = Annotated[tuple[PostId, ...], Meta(max_length=1000, description=_RULES["exclude_post_ids"])]
CursorText = Annotated[str, Meta(pattern=f"^{SHAPE}$", description=_RULES["cursor"])]


class GenerateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for a page of a user's feed; without `limit` it holds RECOMMENDATION_BATCH_SIZE posts."""

    user_id: UserId
    limit: Limit | UnsetType = UNSET
    exclude_post_ids: ExcludedPostIds = ()
    cursor: CursorText | UnsetType = UNSET


class FieldError(msgspec.Struct, frozen=True):
    """One field that breaks its rule: `pointer` is a JSON pointer into the body."""

    pointer: str
    detail: str


class FieldsRefused(InvalidInput):
    """One or several fields break their rules."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.pointer or 'the body'} {error.detail}" for error in errors))
        self.errors = errors


class MediaTypeRefused(InvalidInput):
    """The body says that it is something else than JSON."""


_BODY = msgspec.json.Decoder(GenerateBody)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FIELDS = {field.encode_name: field for field in msgspec.structs.fields(GenerateBody)}
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(_FIELDS[name].type) for name in _FIELDS}
_LENIENT_LIMIT = msgspec.json.Decoder(Limit, strict=False)
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_AT_INDEX = re.compile(r" - at `\$\[(\d+)\]`$")


def read_body(content_type: str, body: bytes) -> GenerateBody:
    """The body, checked; raises MediaTypeRefused, FieldsRefused, and InvalidInput for what is no JSON at all."""
    if _JSON_TYPE.fullmatch(content_type.strip()) is None:
        raise MediaTypeRefused("the body must be JSON: send it with Content-Type: application/json")
    try:
        try:
            return _BODY.decode(body)
        except msgspec.ValidationError:
            return _read_field_by_field(body)
    except UnicodeDecodeError as error:
        raise InvalidInput("the body must be UTF-8") from error
    except RecursionError as error:
        raise InvalidInput("the body must be JSON of a reasonable depth") from error
    except msgspec.DecodeError as error:
        raise InvalidInput(f"the body must be JSON: {_with_small_initial(str(error))}") from error


def body_request(body: GenerateBody, default_limit: int) -> FeedRequest:
    """The request that a checked body makes; raises InvalidInput for a cursor that is none of this user's."""
    return _feed_request(body.user_id, body.limit, body.cursor, default_limit, body.exclude_post_ids)


def query_request(user_segment: str, query: str, default_limit: int) -> FeedRequest:
    """The request that a path segment and a query string make, by the same rules; other parameters are ignored."""
    user_text = _read_user(user_segment)
    try:
        sent = parse_qs(query, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise InvalidInput("the query must be percent-encoded UTF-8") from error
    limit = _read_parameter("limit", _once(sent, "limit"))
    cursor = _once(sent, "cursor")
    return _feed_request(user_text, limit, cursor, default_limit)


def _feed_request(
    user_text: str,
    limit: int | UnsetType,
    cursor: str | UnsetType,
    default_limit: int,
    excluded_post_ids: tuple[str, ...] = (),
) -> FeedRequest:
    return FeedRequest(
        user_text=user_text,
        limit=default_limit if limit is UNSET else limit,
        excluded_post_ids=excluded_post_ids,
        after=None if cursor is UNSET else read_cursor(cursor, to_uuid(user_text)),
    )


def _read_field_by_field(body: bytes) -> GenerateBody:
    """What the decoder of whole bodies refuses may still be right: a limit of 50.0 is one of 50."""
    errors = list(islice(_errors_of(body), MAX_ERRORS))
    if errors:
        raise FieldsRefused(errors) from None
    return GenerateBody(**{name: _decode(name, bytes(value)) for name, value in _OBJECT.decode(body).items()})


def _decode(name: str, value: bytes) -> Any:
    """A field from its JSON; to JSON Schema, and so to callers, 50.0 and 5e1 are whole numbers."""
    is_limit_without_quotes = name == "limit" and not value.startswith(b'"')
    return (_LENIENT_LIMIT if is_limit_without_quotes else _DECODERS[name]).decode(value)


def _errors_of(body: bytes) -> Iterator[FieldError]:
    """All that is wrong, where msgspec tells the first thing only."""
    try:
        sent = _OBJECT.decode(body)
    except msgspec.ValidationError:
        yield FieldError("", "must be a JSON object")
        return
    for name, field in _FIELDS.items():
        if name in sent:
            yield from _errors_in(name, sent[name])
        elif field.required:
            yield FieldError(f"/{name}", f"is missing: it must be {_RULES[name]}")
    for name in (name for name in sent if name not in _FIELDS):
        yield FieldError(f"/{_escaped(name)}", f"is unknown: the fields are {', '.join(_FIELDS)}")


def _errors_in(name: str, value: msgspec.Raw) -> Iterator[FieldError]:
    try:
        _decode(name, bytes(value))
    except msgspec.ValidationError as error:
        index = _AT_INDEX.search(str(error))
        pointer = f"/{name}/{index[1]}" if index else f"/{name}"
        reason = _with_small_initial(_AT_INDEX.sub("", str(error)))
        yield FieldError(pointer, f"must be {_RULES[name]} ({reason})")


def _read_user(segment: str) -> str:
    try:
        user_text = unquote_to_bytes(segment).decode()
        return msgspec.convert(user_text, UserId)
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise FieldsRefused([FieldError("/user_id", f"must be {_RULES['user_id']}, percent-encoded UTF-8")]) from error


def _once(sent: dict[str, list[str]], name: str) -> str | UnsetType:
    values = sent.get(name, [])
    if len(values) > 1:
        raise FieldsRefused([FieldError(f"/{name}", "must not be given twice")])
    return values[0] if values else UNSET


def _read_parameter(name: str, text: str | UnsetType) -> Any:
    if text is UNSET:
        return UNSET
    try:
        return _decode(name, text.encode())
    except msgspec.DecodeError as error:
        raise FieldsRefused([FieldError(f"/{name}", f"must be {_RULES[name]}")]) from error


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _with_small_initial(text: str) -> str:
    return text[:1].lower() + text[1:]
