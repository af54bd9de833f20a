"""Cut a page for one answer, without what must not be shown."""

from dataclasses import dataclass

from core.application.ports.hidden_posts import HiddenPosts
from core.domain.feed import Feed, FeedSource
from core.domain.job import FeedRequest
from core.domain.page import FeedPage, page_of


@dataclass(frozen=True, slots=True)
class CutPage:
    """Every answer's page comes through here, from whatever source its feed is."""

    hidden_posts: HiddenPosts

    def __call__(self, feed: Feed, request: FeedRequest, source: FeedSource) -> FeedPage:
        """Hidden posts are left out as known at this moment. Raises CursorExpired."""
        return page_of(feed, request, source, (self.hidden_posts.current(),))
