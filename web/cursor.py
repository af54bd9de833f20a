"""The opaque text that continues a feed: where, in which feed, for whom."""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2s
from uuid import UUID

from core.domain.errors import InvalidInput
from core.domain.feed import FeedOrder
from core.domain.job import PagePosition

# 18 bytes and a tag of 6 make 32 characters without padding: no two texts mean the same.
_LAYOUT = struct.Struct(">QQH")
_TAG_BYTES = 6
SHAPE = r"[A-Za-z0-9_-]{32}"
# The same in every process, and no secret: a cursor gives nothing that its user may not ask for anyway.
_KEY = b"threads-ml cursor v1"


def write_cursor(position: PagePosition, user_id: UUID) -> str:
    """32 characters that can stand in a URL as they are."""
    packed = _LAYOUT.pack(position.order.epoch, position.order.generation, position.offset)
    return urlsafe_b64encode(packed + _tag(packed, user_id)).decode()


def read_cursor(text: str, user_id: UUID) -> PagePosition:
    """Raises InvalidInput, naming /cursor, for anything but a cursor that was given to this very user."""
    if re.fullmatch(SHAPE, text) is not None:
        sent = urlsafe_b64decode(text)
        packed, tag = sent[: _LAYOUT.size], sent[_LAYOUT.size :]
        if hmac.compare_digest(tag, _tag(packed, user_id)):
            epoch, generation, offset = _LAYOUT.unpack(packed)
            return PagePosition(FeedOrder(epoch, generation), offset)
    raise InvalidInput("must be a next_cursor of an answer for this user, as it was given", "/cursor")


def _tag(packed: bytes, user_id: UUID) -> bytes:
    return blake2s(packed + user_id.bytes, digest_size=_TAG_BYTES, key=_KEY).digest()
