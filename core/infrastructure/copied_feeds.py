"""Feeds as PostgreSQL's COPY takes them in binary."""

import struct
from collections.abc import Iterator, Sequence
from datetime import datetime

from core.domain.feed import Feed, Recommendation
from core.infrastructure.exact_recommendations import ExactRecommendations
from core.infrastructure.postgres_moments import microseconds
from core.infrastructure.stored_reasons import REASONS

COLUMNS = (
    "user_id", "post_ids", "scores", "reasons", "model_version", "epoch", "generation", "generated_at", "expires_at",
    "built_up_to", "built_sequence",
)  # fmt: skip
UUID_TYPE, REAL_TYPE, SMALLINT_TYPE = 2950, 700, 21
"""The numbers by which Postgres knows the types of the arrays' elements."""


_HEAD, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NULL = struct.pack(">i", -1)
_FIRST = struct.Struct(">hi16s")
_NUMBER, _ARRAY, _DIMENSION = struct.Struct(">iq"), struct.Struct(">iiii"), struct.Struct(">ii")


def copied_feeds(feeds: Sequence[Feed]) -> Iterator[bytes]:
    """The rows of `feed`, in the order of COLUMNS."""
    yield _HEAD
    yield b"".join(_row(feed) for feed in feeds)
    yield _END


def _row(feed: Feed) -> bytes:
    recommendations = feed.recommendations
    version = feed.model_version.encode()
    return b"".join((
        _FIRST.pack(len(COLUMNS), 16, feed.user_id.bytes),
        recommendations.copied if isinstance(recommendations, ExactRecommendations) else copied_items(recommendations),
        struct.pack(">i", len(version)),
        version,
        _NUMBER.pack(8, feed.order.epoch),
        _NUMBER.pack(8, feed.order.generation),
        _moment(feed.generated_at),
        _moment(feed.expires_at),
        _NULL if feed.built_up_to is None else _moment(feed.built_up_to),
        _NUMBER.pack(8, feed.built_sequence),
    ))  # fmt: skip


def copied_items(recommendations: Sequence[Recommendation]) -> bytes:
    """The fields post_ids, scores and reasons."""
    return b"".join((
        _array(UUID_TYPE, ">i16s", [(16, item.post_id.bytes) for item in recommendations]),
        _array(REAL_TYPE, ">if", [(4, item.score) for item in recommendations]),
        _array(SMALLINT_TYPE, ">ih", [(2, REASONS.index(item.reason)) for item in recommendations]),
    ))  # fmt: skip


def _array(kind: int, form: str, items: Sequence[tuple[int, object]]) -> bytes:
    if not items:
        return _ARRAY.pack(12, 0, 0, kind)
    body = b"".join(struct.pack(form, *item) for item in items)
    return _ARRAY.pack(20 + len(body), 1, 0, kind) + _DIMENSION.pack(len(items), 1) + body


def _moment(moment: datetime) -> bytes:
    return _NUMBER.pack(8, microseconds(moment))
