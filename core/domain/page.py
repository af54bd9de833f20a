"""The part of a feed that one answer holds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from core.domain.errors import CursorExpired
from core.domain.feed import Feed, FeedOrder, FeedSource, Recommendation
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest, PagePosition


class FeedPage(NamedTuple):
    """Recommendations for one answer, in the feed's order; `next` is None on the last page.

    rendering: the same as they go out, where that was prepared. A tuple: each cached answer makes one.
    """

    user_text: str
    user_id: UUID
    recommendations: Sequence[Recommendation]
    model_version: str
    source: FeedSource
    order: FeedOrder
    expires_at: datetime
    next: PagePosition | None = None
    is_provisional: bool = False
    external_ids: Mapping[UUID, str] = MappingProxyType({})
    compute_ms: float = 0.0
    rendering: object = None

    def text_of(self, post_id: UUID) -> str:
        """The post's id as the app wrote it."""
        return self.external_ids.get(post_id) or str(post_id)


def page_of(feed: Feed, request: FeedRequest, source: FeedSource) -> FeedPage:
    """Cut the page that was asked for; raises CursorExpired when it was to continue another feed than this one."""
    if request.after is not None and request.after.order != feed.order:
        raise CursorExpired("the feed has been renewed since this cursor was given: ask again without it", "/cursor")
    start = request.after.offset if request.after is not None else 0
    chosen, end = _take(feed, start, request)
    following = PagePosition(feed.order, end) if end < len(feed.recommendations) else None
    return FeedPage(
        user_text=request.user_text,
        user_id=request.user_id,
        recommendations=chosen,
        model_version=feed.model_version,
        source=source,
        order=feed.order,
        expires_at=feed.expires_at,
        next=following,
        is_provisional=feed.is_provisional,
        external_ids=feed.external_ids,
        compute_ms=feed.compute_ms,
        rendering=_prepared(feed, request),
    )


def _prepared(feed: Feed, request: FeedRequest) -> object:
    first = feed.first_page
    if first is None or first.limit != request.limit or request.after is not None or request.excluded_post_ids:
        return None
    return first.rendering


def _take(feed: Feed, start: int, request: FeedRequest) -> tuple[Sequence[Recommendation], int]:
    if not request.excluded_post_ids:
        end = min(start + request.limit, len(feed.recommendations))
        return feed.recommendations[start:end], end
    excluded = {to_uuid(text) for text in request.excluded_post_ids}
    chosen: list[Recommendation] = []
    end = start
    for recommendation in feed.recommendations[start:]:
        if len(chosen) == request.limit:
            break
        if recommendation.post_id not in excluded:
            chosen.append(recommendation)
        end += 1
    return chosen, end
