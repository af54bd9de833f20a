"""The part of a feed that one answer holds."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

from core.domain.errors import CursorExpired
from core.domain.feed import Feed, FeedOrder, FeedSource, Recommendation, keys_of, picked
from core.domain.ids import to_uuid
from core.domain.job import FeedRequest, PagePosition
from core.domain.post_set import PostSet


class FeedPage(NamedTuple):
    """Recommendations for one answer, in the feed's order; `next` is None on the last page.

    left_out: what tells this page from others of the same feed, empty where no post of it had to be left out;
    rendering: the same as they go out, where that was prepared; sequence, built_up_to: up to where the feed knows what
    its user did. A tuple: each cached answer makes one.
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
    left_out: str = ""
    sequence: int = 0
    built_up_to: datetime | None = None

    def text_of(self, post_id: UUID) -> str:
        """The post's id as the app wrote it."""
        return self.external_ids.get(post_id) or str(post_id)


class _Cut(NamedTuple):
    """chosen: the recommendations of a page; end: where in the feed the next one begins; left_out: see FeedPage."""

    chosen: Sequence[Recommendation]
    end: int
    left_out: str = ""


def page_of(feed: Feed, request: FeedRequest, source: FeedSource, unwanted: Sequence[PostSet] = ()) -> FeedPage:
    """Cut the page that was asked for, without posts of any unwanted set.

    Raises CursorExpired when it was to continue another feed than this one.
    """
    if request.after is not None and request.after.order != feed.order:
        raise CursorExpired("the feed has been renewed since this cursor was given: ask again without it", "/cursor")
    start = request.after.offset if request.after is not None else 0
    cut = _cut(feed.recommendations, start, request, unwanted)
    following = PagePosition(feed.order, cut.end) if cut.end < len(feed.recommendations) else None
    return FeedPage(
        user_text=request.user_text,
        user_id=request.user_id,
        recommendations=cut.chosen,
        model_version=feed.model_version,
        source=source,
        order=feed.order,
        expires_at=feed.expires_at,
        next=following,
        is_provisional=feed.is_provisional,
        external_ids=feed.external_ids,
        compute_ms=feed.compute_ms,
        rendering=_prepared(feed, request) if not cut.left_out else None,
        left_out=cut.left_out,
        sequence=feed.built_sequence,
        built_up_to=feed.built_up_to,
    )


def _prepared(feed: Feed, request: FeedRequest) -> object:
    first = feed.first_page
    if first is None or first.limit != request.limit or request.after is not None or request.excluded_post_ids:
        return None
    return first.rendering


def _cut(
    recommendations: Sequence[Recommendation], start: int, request: FeedRequest, unwanted: Sequence[PostSet]
) -> _Cut:
    barring = [posts.keys for posts in unwanted if posts.keys]
    if not request.excluded_post_ids:
        end = min(start + request.limit, len(recommendations))
        chosen = recommendations[start:end]
        if not barring or _has_none_of(chosen, barring):
            # Nearly always: nothing is looked at one by one then.
            return _Cut(chosen, end)
    return _cut_one_by_one(recommendations, start, request, barring)


def _has_none_of(chosen: Sequence[Recommendation], barring: Sequence[AbstractSet[bytes]]) -> bool:
    keys = keys_of(chosen)
    return all(posts.isdisjoint(keys) for posts in barring)


def _cut_one_by_one(
    recommendations: Sequence[Recommendation], start: int, request: FeedRequest, barring: Sequence[AbstractSet[bytes]]
) -> _Cut:
    keys = keys_of(recommendations)
    barred = {key for posts in barring for key in keys if key in posts}
    excluded = {to_uuid(text).bytes for text in request.excluded_post_ids}
    chosen: list[int] = []
    left_out: list[bytes] = []
    end = start
    for place in range(start, len(keys)):
        if len(chosen) == request.limit:
            break
        key = keys[place]
        if key in barred:
            left_out.append(key)
        elif key not in excluded:
            chosen.append(place)
        end += 1
    return _Cut(picked(recommendations, chosen), end, f"{crc32(b''.join(left_out)):08x}" if left_out else "")
