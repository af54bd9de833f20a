"""Read a user's stored feed; never enqueues."""

from dataclasses import dataclass

from core.application.find_feed import FindFeed
from core.application.offer_popular import OfferPopular
from core.domain.errors import ArchiveUnavailable, NotFound
from core.domain.job import FeedRequest
from core.domain.page import FeedPage, page_of


@dataclass(frozen=True, slots=True)
class GetFeed:
    """The stored feed, stale or not; while nobody can tell whether there is one, the popular posts."""

    find_feed: FindFeed
    offer_popular: OfferPopular

    async def __call__(self, request: FeedRequest) -> FeedPage:
        """Raises NotFound when the user has no stored feed."""
        try:
            found = await self.find_feed(request.user_id)
        except ArchiveUnavailable as unavailable:
            return self.offer_popular.instead(request, unavailable)
        if found is None:
            raise NotFound(
                f"no feed is stored for user {request.user_text!r}: POST /recommendations/generate makes one"
            )
        return page_of(found.feed, request, found.source)
