"""First pages of many feeds, rendered and compressed by arrays, equal to what is rendered of each."""

import zlib
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.feed import Feed, Reason
from core.infrastructure.deflate_codes import page_codes
from core.infrastructure.packed_recommendations import RECORD_BYTES, pack
from core.infrastructure.page_kernel import write_pages
from core.infrastructure.page_rendering import RenderedStart, rendered_starts
from core.infrastructure.stored_reasons import REASONS

# Longer than any: an id is 36, and a code at most 15 bits.
_BYTES_PER_POST, _BYTES_BESIDE = 128, 2048


def rendered_by_arrays(feeds: Sequence[Feed], limit: int) -> list[RenderedStart]:
    """The first pages of feeds, of one model, whose posts are known by their ids; those of others one by one."""
    versions = {feed.model_version for feed in feeds}
    if len(versions) != 1 or not _can_be_written(*versions) or any(feed.external_ids for feed in feeds):
        return rendered_starts(feeds, limit)
    records = [pack(feed.recommendations[:limit]) for feed in feeds]
    starts = np.cumsum([0, *(len(some) // RECORD_BYTES for some in records)])
    room = _BYTES_BESIDE + _BYTES_PER_POST * int(np.diff(starts).max())
    texts, deflated = np.empty((len(feeds), room), dtype=np.uint8), np.empty((len(feeds), room // 4), dtype=np.uint32)
    sizes = np.empty((len(feeds), 2), dtype=np.int64)
    words = _words()
    closing = _bytes(f',"model_version":{msgspec.json.encode(feeds[0].model_version).decode()}'.encode())
    write_pages(_bytes(b"".join(records)), starts, *words, closing, *page_codes(), texts, deflated, sizes)
    return [
        RenderedStart(packed[:packed_size].tobytes(), zlib.crc32(text[:size].data), size)
        for text, packed, (size, packed_size) in zip(texts, deflated.view(np.uint8), sizes.tolist(), strict=True)
    ]


def _can_be_written(version: str) -> bool:
    """Whether there are codes, and is room, for it: other letters have none, and would be missing."""
    return version.isascii() and version.isprintable() and len(version) < _BYTES_BESIDE // 4


class _Words(NamedTuple):
    """What stands between the ids, scores and reasons of a page, and the reasons: (r, longest), and how long."""

    opening: NDArray[np.uint8]
    before_id: NDArray[np.uint8]
    before_score: NDArray[np.uint8]
    before_reason: NDArray[np.uint8]
    reasons: NDArray[np.uint8]
    reason_lengths: NDArray[np.int64]
    between: NDArray[np.uint8]
    before_count: NDArray[np.uint8]


@cache
def _words() -> _Words:
    longest = max(map(len, Reason))
    return _Words(
        opening=_bytes(b'{"recommendations":['),
        before_id=_bytes(b'{"post_id":"'),
        before_score=_bytes(b'","score":'),
        before_reason=_bytes(b',"reason":"'),
        reasons=np.stack([_bytes(reason.encode().ljust(longest)) for reason in REASONS]),
        reason_lengths=np.array([len(reason) for reason in REASONS]),
        between=_bytes(b'"},{"post_id":"'),
        before_count=_bytes(b'],"count":'),
    )


def _bytes(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text, dtype=np.uint8)
