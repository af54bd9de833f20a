"""One way from any text id to the UUID under which it is stored."""

import re
from collections.abc import Sequence
from uuid import UUID, uuid5

NAMESPACE = UUID("7b1f3a52-5f5c-5b0e-9d5a-7468726d6c31")
SESSIONS = uuid5(NAMESPACE, "sessions")
_TEXT_VERSION = 5
_CANONICAL = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_canonical(text: str) -> bool:
    """Whether the text is itself a UUID (8-4-4-4-12 hexadecimal digits, any case)."""
    return _CANONICAL.fullmatch(text) is not None


def may_stand_for_text(id_: UUID) -> bool:
    """Whether the id can be that of a text which was no UUID: an app's own UUIDs are rarely of this version."""
    return id_.version == _TEXT_VERSION


def to_uuid(text: str) -> UUID:
    """A canonical UUID is itself; any other text is a UUIDv5 in the project's namespace."""
    return UUID(text) if is_canonical(text) else uuid5(NAMESPACE, text)


def session_id(post_ids: Sequence[UUID]) -> UUID:
    """Under which the list is kept of somebody of whom these posts are all that is known, in this order."""
    return uuid5(SESSIONS, "".join(post_id.hex for post_id in post_ids))
