"""Offer what anyone might like, to users nobody knows and wherever nothing better can be had."""

from dataclasses import dataclass, field
from datetime import timedelta

from core.application.cut_page import CutPage
from core.application.ports.clock import Clock
from core.application.ports.popular_posts import HeldPopularFeed
from core.domain.composition import ColdStartStrategy, Composition
from core.domain.errors import ArchiveUnavailable, CursorExpired
from core.domain.feed import NO_FEED, POPULAR_MODEL_VERSION, Feed, FeedOrder, FeedSource, Recommendation
from core.domain.job import FeedRequest
from core.domain.page import FeedPage
from core.domain.popular import PopularFeed
from core.domain.user_change import UserChange

VALID_FOR = timedelta(seconds=30)  # how often the held copy is renewed


@dataclass(frozen=True, slots=True)
class OfferPopular:
    """Never fails: the feed lies in this process, if need be an empty one.

    composed: what was made of the held copy last; it is renewed twice a minute and asked for thousands of times.
    """

    popular: HeldPopularFeed
    composition: Composition
    cut_page: CutPage
    clock: Clock
    composed: list[tuple[PopularFeed, tuple[Recommendation, ...]]] = field(default_factory=list, compare=False)

    def __call__(self, request: FeedRequest, change: UserChange | None = None) -> FeedPage:
        """The popular posts as a page, as deep as any feed, without what the user has just seen."""
        return self.cut_page(self._feed(request), request, FeedSource.POPULAR, change)

    def instead(
        self, request: FeedRequest, unavailable: ArchiveUnavailable, change: UserChange | None = None
    ) -> FeedPage:
        """The same in place of a feed that cannot be read; raises the reason for the next page of such a feed."""
        try:
            return self(request, change)
        except CursorExpired:
            # It may well be there still: nobody can tell now.
            raise unavailable from None

    def to_a_stranger(self, request: FeedRequest) -> FeedPage:
        """The same for a user without any history, unless the cold-start strategy is to offer nothing."""
        feed = self._feed(request)
        if self.composition.cold_start_strategy is ColdStartStrategy.EMPTY:
            feed = self._feed(request, depth=0)
        return self.cut_page(feed, request, FeedSource.POPULAR)

    def _feed(self, request: FeedRequest, depth: int | None = None) -> Feed:
        held = self.popular.current()
        now = self.clock.now()
        return Feed(
            user_id=request.user_id,
            recommendations=self._composed(held)[:depth],
            model_version=POPULAR_MODEL_VERSION,
            order=FeedOrder(NO_FEED.epoch, held.generation),
            generated_at=held.computed_at or now,
            expires_at=now + VALID_FOR,
            external_ids=held.external_ids,
        )

    def _composed(self, held: PopularFeed) -> tuple[Recommendation, ...]:
        if not self.composed or self.composed[0][0] is not held:
            self.composed[:] = [(held, self.composition.only_popular(held))]
        return self.composed[0][1]
