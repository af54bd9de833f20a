"""Cut a page for one answer, without what must not be shown."""

from dataclasses import dataclass

from core.application.ports.hidden_posts import HiddenPosts
from core.domain.feed import Feed, FeedSource
from core.domain.job import FeedRequest
from core.domain.page import FeedPage, page_of
from core.domain.post_set import Posts, PostSet
from core.domain.user_change import UserChange


@dataclass(frozen=True, slots=True)
class CutPage:
    """Every answer's page comes through here, from whatever source its feed is."""

    hidden_posts: HiddenPosts

    def __call__(
        self, feed: Feed, request: FeedRequest, source: FeedSource, change: UserChange | None = None
    ) -> FeedPage:
        """Hidden posts are left out as known at this moment, and what the user has just seen. Raises CursorExpired."""
        hidden = self.hidden_posts.current()
        unwanted: tuple[PostSet, ...] = (hidden,) if change is None else (hidden, Posts(change.post_ids))
        return page_of(feed, request, source, unwanted)
