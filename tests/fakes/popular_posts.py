"""Popular posts by the plain formula, and a held copy that is set by hand."""

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from core.application.ports.clock import Clock
from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import Interaction, InteractionWeights
from core.domain.popular import PopularFeed
from tests.fakes.clock import FakeClock


@dataclass
class FakePopularPosts:
    """score(post) = Σ over users of log2(1 + Σ weight · 2^(-age / half-life)), over the best score.

    `feed` is what is stored; set `is_being_refreshed` to play another process at work.
    """

    interactions: list[Interaction] = field(default_factory=list)
    weights: InteractionWeights = field(default_factory=InteractionWeights)
    half_life_hours: float = 12.0
    window_days: int = 30
    depth: int = 500
    clock: Clock = field(default_factory=FakeClock)
    texts: dict[UUID, str] = field(default_factory=dict)
    feed: PopularFeed = field(default_factory=PopularFeed)
    hidden: set[UUID] = field(default_factory=set)
    refresh_count: int = 0
    is_being_refreshed: bool = False
    unavailable: bool = False

    async def refresh(self) -> None:
        self._answer()
        self.refresh_count += 1
        scores = {post_id: score for post_id, score in self._scores().items() if post_id not in self.hidden}
        best = sorted(scores, key=lambda post_id: (-scores[post_id], post_id))[: self.depth]
        self.feed = PopularFeed(
            post_ids=tuple(best),
            scores=tuple(scores[post_id] / scores[best[0]] for post_id in best),
            generation=self.feed.generation + 1,
            computed_at=self.clock.now(),
        )

    async def refresh_if_older_than(self, age_seconds: float) -> bool:
        self._answer()
        oldest = self.clock.now() - timedelta(seconds=age_seconds)
        if self.is_being_refreshed or (self.feed.computed_at is not None and self.feed.computed_at > oldest):
            return False
        await self.refresh()
        return True

    async def read(self) -> PopularFeed:
        self._answer()
        texts = {post_id: self.texts[post_id] for post_id in self.feed.post_ids if post_id in self.texts}
        return replace(self.feed, external_ids=texts)

    def _scores(self) -> dict[UUID, float]:
        newest = max((act.created_at for act in self.interactions), default=self.clock.now())
        data_now = min(self.clock.now(), newest)
        weight_of_pair: dict[tuple[UUID, UUID], float] = defaultdict(float)
        for act in self.interactions:
            age = data_now - act.created_at
            if timedelta() <= age < timedelta(days=self.window_days):
                decay = 2 ** -(age / timedelta(hours=self.half_life_hours))
                weight_of_pair[act.user_id, act.post_id] += self.weights.of(act.type) * decay
        scores: dict[UUID, float] = defaultdict(float)
        for (_, post_id), weight in weight_of_pair.items():
            scores[post_id] += math.log1p(weight) / math.log(2)
        return {post_id: score for post_id, score in scores.items() if score > 0}

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")


@dataclass
class FakeHeldPopularFeed:
    """Holds whatever it was given."""

    feed: PopularFeed = field(default_factory=PopularFeed)

    def current(self) -> PopularFeed:
        return self.feed
