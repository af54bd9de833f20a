"""What callers may send, rule by rule."""

from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote_to_bytes
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from core.domain.errors import InvalidInput
from core.domain.ids import session_id, to_uuid
from core.domain.job import FeedRequest
from web.cursor import SHAPE, read_cursor
from web.json_body import FieldError, FieldsRefused, JsonBody

_RULES = {
    "user_id": "a string of 1 to 128 characters",
    "limit": "a whole number from 1 to 100",
    "exclude_post_ids": "a list of at most 1,000 strings of 1 to 512 characters each",
    "min_seq": "a whole number from 0 on: the sequence of interactions that the feed must know of",
    "recent_post_ids": "a list of 1 to 100 strings of 1 to 512 characters each, the latest first",
    "cursor": "a string: the next_cursor of an earlier answer for this user",
}

UserId = Annotated[str, Meta(min_length=1, max_length=128, description=_RULES["user_id"])]
Limit = Annotated[int, Meta(ge=1, le=100, description=_RULES["limit"])]
PostId = Annotated[str, Meta(min_length=1, max_length=512)]
# No blank ids, and no character that Postgres does not keep.
RECORDED_ID = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
RecordedPostId = Annotated[PostId, Meta(pattern=RECORDED_ID)]
ExcludedPostIds = Annotated[tuple[PostId, ...], Meta(max_length=1000, description=_RULES["exclude_post_ids"])]
CursorText = Annotated[str, Meta(pattern=f"^{SHAPE}$", description=_RULES["cursor"])]


Sequence = Annotated[int, Meta(ge=0, le=2**63 - 1, description=_RULES["min_seq"])]


RecentPostIds = Annotated[tuple[PostId, ...], Meta(min_length=1, max_length=100, description=_RULES["recent_post_ids"])]


class GenerateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for a page of a user's feed, or of a list for somebody of whom nothing but some posts is known.

    One of `user_id` and `recent_post_ids`. Without `limit` it holds RECOMMENDATION_BATCH_SIZE posts.
    """

    user_id: UserId | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET
    exclude_post_ids: ExcludedPostIds = ()
    cursor: CursorText | UnsetType = UNSET
    min_seq: Sequence = 0
    recent_post_ids: RecentPostIds | UnsetType = UNSET


_LENIENT_LIMIT = msgspec.json.Decoder(Limit, strict=False)
_STRICT_LIMIT = msgspec.json.Decoder(Limit)
_LENIENT_SEQUENCE = msgspec.json.Decoder(Sequence, strict=False)
_STRICT_SEQUENCE = msgspec.json.Decoder(Sequence)


def _decode_limit(value: bytes) -> int:
    """To JSON Schema, and so to callers, 50.0 and 5e1 are whole numbers."""
    return (_STRICT_LIMIT if value.startswith(b'"') else _LENIENT_LIMIT).decode(value)


def _decode_sequence(value: bytes) -> int:
    """The same."""
    return (_STRICT_SEQUENCE if value.startswith(b'"') else _LENIENT_SEQUENCE).decode(value)


_BODY = JsonBody(
    GenerateBody, _RULES, {"limit": _decode_limit, "min_seq": _decode_sequence}, one_of=("user_id", "recent_post_ids")
)


def read_body(content_type: str, body: bytes) -> GenerateBody:
    """The body, checked; raises MediaTypeRefused, FieldsRefused, and InvalidInput for what is no JSON at all."""
    return _BODY.read(content_type, body)


def body_request(body: GenerateBody, default_limit: int) -> FeedRequest:
    """The request that a checked body makes; raises InvalidInput for a cursor that is none of this user's."""
    recent_post_ids = _recent_ids(body)
    user_text = str(session_id(recent_post_ids)) if body.user_id is UNSET else body.user_id
    request = _feed_request(user_text, body.limit, body.cursor, default_limit, body.exclude_post_ids)
    if not body.min_seq and not recent_post_ids:
        return request
    return replace(request, min_seq=body.min_seq, recent_post_ids=recent_post_ids)


def _recent_ids(body: GenerateBody) -> tuple[UUID, ...]:
    """Each once, where it was met last."""
    return () if body.recent_post_ids is UNSET else tuple(dict.fromkeys(map(to_uuid, body.recent_post_ids)))


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
        return _BODY.decode(name, text.encode())
    except msgspec.DecodeError as error:
        raise FieldsRefused([FieldError(f"/{name}", f"must be {_RULES[name]}")]) from error
