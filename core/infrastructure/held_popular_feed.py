"""The popular feed that a process keeps at hand."""

from core.application.ports.popular_posts import PopularPosts
from core.domain.popular import PopularFeed
from core.infrastructure.held_copy import HeldCopy

RELOAD_SECONDS = 30.0


class HeldPopular(HeldCopy[PopularFeed]):
    """An empty one before the first."""

    def __init__(self, stored: PopularPosts, reload_seconds: float = RELOAD_SECONDS) -> None:
        super().__init__(stored.read, PopularFeed(), reload_seconds, "popular_feed_not_reloaded")
