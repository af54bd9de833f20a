"""Recommendations in twenty bytes each, read only as far as they are needed."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Self, overload
from uuid import UUID

from core.domain.feed import KeyedRecommendations, Recommendation
from core.infrastructure.quick_uuid import QuickUUID
from core.infrastructure.stored_reasons import REASONS

RECORD_BYTES = 20
# The score in millionths, as many digits as go out, and above it the reason.
_RECORD = struct.Struct("<16sI")
_SCORE_STEPS = 1_000_000
_REASON_SHIFT, _SCORE_MASK = 24, 0xFFFFFF
_KNOWN_REASONS = bytes(range(len(REASONS)))
_REASON_TEXTS = tuple(reason.value for reason in REASONS)


@cache
def _keys_alone(size: int) -> struct.Struct:
    """As many layouts as there are lengths of pages and feeds."""
    return struct.Struct("<" + "16s4x" * (size // RECORD_BYTES))


class PackedRecommendations(KeyedRecommendations):
    """Equal to any sequence of the same recommendations; a slice is packed too."""

    __slots__ = ("records",)

    def __init__(self, records: bytes) -> None:
        """records: what `pack` has written."""
        self.records = records

    @classmethod
    def checked(cls, records: bytes) -> Self:
        """Raises ValueError for what `pack` cannot have written."""
        unknown = records[RECORD_BYTES - 1 :: RECORD_BYTES].translate(None, _KNOWN_REASONS)
        if len(records) % RECORD_BYTES or unknown:
            raise ValueError("these are no packed recommendations")
        return cls(records)

    def __len__(self) -> int:
        return len(self.records) // RECORD_BYTES

    def keys(self) -> tuple[bytes, ...]:
        """The sixteen bytes of each post's id, thirty times as fast as the ids."""
        return _keys_alone(len(self.records)).unpack(self.records)

    def picked(self, places: Sequence[int]) -> "PackedRecommendations":
        """Packed too: what is between two that are left out is copied at once."""
        parts, start, end = [], 0, 0
        for place in places:
            if place != end:
                parts.append(self.records[start * RECORD_BYTES : end * RECORD_BYTES])
                start = place
            end = place + 1
        parts.append(self.records[start * RECORD_BYTES : end * RECORD_BYTES])
        return PackedRecommendations(b"".join(parts))

    def fields(self) -> Iterator[tuple[UUID, float, str]]:
        """What a recommendation is made of, thrice as fast as it: the reason is its text."""
        for post_id, rest in _RECORD.iter_unpack(self.records):
            yield QuickUUID(post_id), (rest & _SCORE_MASK) / _SCORE_STEPS, _REASON_TEXTS[rest >> _REASON_SHIFT]

    @overload
    def __getitem__(self, place: int) -> Recommendation: ...

    @overload
    def __getitem__(self, place: slice) -> "PackedRecommendations": ...

    def __getitem__(self, place: int | slice) -> "Recommendation | PackedRecommendations":
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                return PackedRecommendations(pack([self[one] for one in range(start, stop, step)]))
            return PackedRecommendations(self.records[start * RECORD_BYTES : stop * RECORD_BYTES])
        start = range(len(self))[place] * RECORD_BYTES
        return next(iter(PackedRecommendations(self.records[start : start + RECORD_BYTES])))

    def __iter__(self) -> Iterator[Recommendation]:
        for post_id, rest in _RECORD.iter_unpack(self.records):
            yield Recommendation(
                QuickUUID(post_id), (rest & _SCORE_MASK) / _SCORE_STEPS, REASONS[rest >> _REASON_SHIFT]
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # what equals a list has no hash


class PackedTexts(Mapping[UUID, str]):
    """The texts of ids that are not UUIDs in the app, one for each recommendation; put together when first asked."""

    def __init__(self, recommendations: PackedRecommendations, texts: Sequence[str]) -> None:
        """texts: empty where the id is its own text."""
        self._recommendations, self._texts = recommendations, texts
        self._by_id: dict[UUID, str] | None = None

    def __getitem__(self, post_id: UUID) -> str:
        return self._mapping[post_id]

    def __iter__(self) -> Iterator[UUID]:
        return iter(self._mapping)

    def __len__(self) -> int:
        return len(self._mapping)

    @property
    def _mapping(self) -> dict[UUID, str]:
        if self._by_id is None:
            pairs = zip(self._recommendations, self._texts, strict=True)
            self._by_id = {item.post_id: text for item, text in pairs if text}
        return self._by_id


def pack(recommendations: Sequence[Recommendation]) -> bytes:
    """Twenty bytes each; scores, in [0, 1], are rounded to six digits."""
    if isinstance(recommendations, PackedRecommendations):
        return recommendations.records
    return b"".join(
        _RECORD.pack(post_id.bytes, round(score * _SCORE_STEPS) | REASONS.index(reason) << _REASON_SHIFT)
        for post_id, score, reason in recommendations
    )
