"""Read a user's stored feed; never enqueues."""

from dataclasses import dataclass

from core.application.cut_page import CutPage
from core.application.find_feed import FindFeed
from core.application.offer_popular import OfferPopular
from core.application.ports.visits import Visits
from core.domain.errors import ArchiveUnavailable, NotFound
from core.domain.job import FeedRequest
from core.domain.page import FeedPage


@dataclass(frozen=True, slots=True)
class GetFeed:
    """The stored feed, stale or not; while nobody can tell whether there is one, the popular posts."""

    find_feed: FindFeed
    offer_popular: OfferPopular
    cut_page: CutPage
    visits: Visits

    async def __call__(self, request: FeedRequest) -> FeedPage:
        """Raises NotFound when the user has no stored feed."""
        self.visits.note(request.user_id)
        try:
            found = await self.find_feed(request.user_id)
        except ArchiveUnavailable as unavailable:
            return self.offer_popular.instead(request, unavailable, await self.find_feed.seen_by(request.user_id))
        if found is None:
            raise NotFound(
                f"no feed is stored for user {request.user_text!r}: POST /recommendations/generate makes one"
            )
        return self.cut_page(found.feed, request, found.source, found.change)
