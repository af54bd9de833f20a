"""The part of a feed that one answer holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.domain.errors import CursorExpired
from core.domain.feed import Feed, FeedOrder, FeedSource, Recommendation
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest, PagePosition


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Recommendations for one answer, in the feed's order; `next` is None on the last page."""

    user_text: str
    recommendations: tuple[Recommendation, ...]
    model_version: str
    source: FeedSource
    order: FeedOrder
    expires_at: datetime
    next: PagePosition | None = None
    is_provisional: bool = False
    external_ids: Mapping[UUID, str] = field(default_factory=dict)

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
        recommendations=chosen,
        model_version=feed.model_version,
        source=source,
        order=feed.order,
        expires_at=feed.expires_at,
        next=following,
        is_provisional=feed.is_provisional,
        external_ids=feed.external_ids,
    )


def _take(feed: Feed, start: int, request: FeedRequest) -> tuple[tuple[Recommendation, ...], int]:
    if not request.excluded_post_ids:
        end = min(start + request.limit, len(feed.recommendations))
        return feed.recommendations[start:end], end
    excluded = {to_uuid(text) for text in request.excluded_post_ids}
    chosen: list[Recommendation] = []
    end = start
    while end < len(feed.recommendations) and len(chosen) < request.limit:
        recommendation = feed.recommendations[end]
        if recommendation.post_id not in excluded:
            chosen.append(recommendation)
        end += 1
    return tuple(chosen), end
