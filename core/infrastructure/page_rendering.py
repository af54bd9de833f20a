"""How recommendations are written into an answer, and the beginning of an answer written in advance."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from typing import Annotated, NamedTuple, Self, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from core.domain.feed import Feed, Reason, Recommendation
from core.infrastructure.packed_recommendations import PackedRecommendations

SCORE_DIGITS = 6
# Ids are noise to a compressor, the words between them are all alike: more effort saves one byte in a hundred.
_LEVEL = 1
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_END_OF_DEFLATE = b"\x03\x00"


class RecommendationBody(msgspec.Struct, frozen=True, gc=False):
    """One post: its id as the app writes it, its score relative to the feed's best, and why it is here."""

    post_id: str
    score: Annotated[float, Meta(ge=0, le=1)]
    reason: Reason


_body_of_any = cast(Callable[[object, float, str], RecommendationBody], RecommendationBody)


class _Start(msgspec.Struct, frozen=True):
    """The fields that every caller with this page gets."""

    recommendations: list[RecommendationBody]
    count: int
    model_version: str


class RenderedStart(NamedTuple):
    """A JSON object without its end, compressed: `ending` goes behind it, with what differs from caller to caller.

    deflated: blocks of raw deflate (RFC 1951), of which none is the last, up to a whole byte; crc and length: CRC-32
    and number of bytes of the text itself.
    """

    deflated: bytes
    crc: int
    length: int

    @classmethod
    def of(cls, text: bytes) -> Self:
        """Compress the text."""
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
        deflated = compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH)
        return cls(deflated, zlib.crc32(text), len(text))

    def text(self) -> bytes:
        """The text itself. Raises zlib.error where the bytes are spoilt."""
        return zlib.decompress(self.deflated + _END_OF_DEFLATE, _RAW_DEFLATE, self.length)

    def gzipped(self, ending: bytes) -> bytes:
        """Text and ending, at most 65,535 bytes of it, in gzip format (RFC 1952): the ending is a block as it is."""
        size = len(ending)
        block = b"\x01" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + ending
        check = zlib.crc32(ending, self.crc).to_bytes(4, "little")
        return b"".join((_GZIP_HEAD, self.deflated, block, check, (self.length + size).to_bytes(4, "little")))


def recommendation_bodies(
    recommendations: Sequence[Recommendation], external_ids: Mapping[UUID, str]
) -> list[RecommendationBody]:
    """Ids as the app writes them; UUIDs are left to the encoder, which writes them ten times as fast as `str`."""
    if not external_ids and isinstance(recommendations, PackedRecommendations):
        return list(starmap(_body_of_any, recommendations.fields()))
    if not external_ids:
        return [
            RecommendationBody(cast(str, id_), round(score, SCORE_DIGITS), why) for id_, score, why in recommendations
        ]
    return [
        RecommendationBody(external_ids.get(id_) or str(id_), round(score, SCORE_DIGITS), why)
        for id_, score, why in recommendations
    ]


def render_start(
    recommendations: Sequence[Recommendation], external_ids: Mapping[UUID, str], model_version: str
) -> bytes:
    """The JSON object of a page up to where callers begin to differ: without its last brace."""
    items = recommendation_bodies(recommendations, external_ids)
    return msgspec.json.encode(_Start(items, len(items), model_version))[:-1]


def rendered_starts(feeds: Sequence[Feed], limit: int) -> list[RenderedStart]:
    """The first pages of feeds, of up to so many posts, one after the other."""
    return [
        RenderedStart.of(render_start(feed.recommendations[:limit], feed.external_ids, feed.model_version))
        for feed in feeds
    ]
