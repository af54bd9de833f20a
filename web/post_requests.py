"""What callers may say about posts."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Meta

from web.json_body import FieldError, FieldsRefused, JsonBody, ParametersRefused
from web.requests import RecordedPostId

_RULES = {
    "hidden": "true or false",
    "expires_at": "a moment in ISO 8601 with an offset from UTC, as 2026-11-23T12:00:00Z; or null",
}
_POST_ID_RULE = "a string of 1 to 512 characters, not blank, percent-encoded UTF-8"

Moment = Annotated[datetime, Meta(tz=True, description=_RULES["expires_at"])]


class PostBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a post is withheld, and from when on it is over; what is not said is: not hidden, and never over."""

    hidden: Annotated[bool, Meta(description=_RULES["hidden"])] = False
    expires_at: Moment | None = None


_BODY = JsonBody(PostBody, _RULES)


def read_post_body(content_type: str, body: bytes) -> PostBody:
    """The body, checked, its moment in UTC; raises MediaTypeRefused, FieldsRefused and InvalidInput."""
    said = _BODY.read(content_type, body)
    if said.expires_at is None:
        return said
    try:
        return msgspec.structs.replace(said, expires_at=said.expires_at.astimezone(UTC))
    except OverflowError as error:
        reason = "in UTC it is before the year 1 or after 9999"
        raise FieldsRefused([FieldError("/expires_at", f"must be {_RULES['expires_at']} ({reason})")]) from error


def read_post_id(segment: str) -> str:
    """A post's id as the caller writes it. Raises ParametersRefused."""
    try:
        return msgspec.convert(unquote_to_bytes(segment).decode(), RecordedPostId)
    except (UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ParametersRefused([FieldError("/post_id", f"must be {_POST_ID_RULE}")]) from error
