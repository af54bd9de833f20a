"""Packed recommendations whose scores are not rounded, with what Postgres takes of them."""

import struct
from collections.abc import Iterator, Sequence
from typing import overload

from core.domain.feed import Recommendation
from core.infrastructure.packed_recommendations import PackedRecommendations

_SCORE = struct.Struct("=d")


class ExactRecommendations(PackedRecommendations):
    """A slice is rounded, as it goes out."""

    __slots__ = ("_scores", "copied")

    def __init__(self, records: bytes, scores: bytes, copied: bytes) -> None:
        """scores: in double precision; copied: see CopiedFeeds."""
        super().__init__(records)
        self._scores = scores
        self.copied = copied

    @overload
    def __getitem__(self, place: int) -> Recommendation: ...

    @overload
    def __getitem__(self, place: slice) -> PackedRecommendations: ...

    def __getitem__(self, place: int | slice) -> Recommendation | Sequence[Recommendation]:
        if isinstance(place, slice):
            return super().__getitem__(place)
        return (
            super().__getitem__(place)._replace(score=_SCORE.unpack_from(self._scores, 8 * range(len(self))[place])[0])
        )

    def __iter__(self) -> Iterator[Recommendation]:
        for (post_id, _, reason), (score,) in zip(super().__iter__(), _SCORE.iter_unpack(self._scores), strict=True):
            yield Recommendation(post_id, score, reason)
