"""How a model's ranking and the popular posts become one feed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from uuid import UUID

from core.domain.feed import Reason, Recommendation
from core.domain.popular import PopularFeed
from core.domain.ranking import Ranking


class ColdStartStrategy(StrEnum):
    """What a user with little or no history gets besides what the model finds."""

    POPULAR = "popular"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Composition:
    """The rules of a feed: depth, least collaborative score, and what happens below the cold-start threshold."""

    depth: int
    min_score: float
    cold_start_threshold: int
    cold_start_strategy: ColdStartStrategy = ColdStartStrategy.POPULAR

    def compose(self, ranking: Ranking, popular: PopularFeed, seen: frozenset[UUID]) -> tuple[Recommendation, ...]:
        """The feed, best first: scores relative to its best, nothing seen, no post twice."""
        collaborative = list(islice(self._collaborative(ranking, seen), self.depth))
        if len(seen) >= self.cold_start_threshold:
            return tuple(self._filled(collaborative, popular, seen))
        if self.cold_start_strategy is ColdStartStrategy.EMPTY:
            return tuple(collaborative)
        return tuple(self._blended(collaborative, popular, seen))

    def only_popular(self, popular: PopularFeed, seen: frozenset[UUID] = frozenset()) -> tuple[Recommendation, ...]:
        """Popular posts alone, as deep as any feed."""
        return tuple(self._filled([], popular, seen))

    def _collaborative(self, ranking: Ranking, seen: frozenset[UUID]) -> Iterator[Recommendation]:
        unseen = [(post_id, score) for post_id, score in ranking.posts if post_id not in seen]
        best = unseen[0][1] if unseen else 1.0
        for post_id, score in unseen:
            if score / best >= self.min_score:
                yield Recommendation(post_id, score / best, Reason.COLLABORATIVE_FILTERING)

    def _filled(
        self, collaborative: list[Recommendation], popular: PopularFeed, seen: frozenset[UUID]
    ) -> Iterator[Recommendation]:
        """Popular posts follow below the last collaborative one, in their own order."""
        yield from collaborative
        taken = seen.union(recommendation.post_id for recommendation in collaborative)
        posts = list(islice(popular.without(taken), self.depth - len(collaborative)))
        best = posts[0][1] if posts else 1.0
        # Half the last collaborative score at the most: a popular post never ties with one above it.
        ceiling = collaborative[-1].score / 2 if collaborative else 1.0
        for post_id, score in posts:
            yield Recommendation(post_id, ceiling * score / best, Reason.POPULAR)

    def _blended(
        self, collaborative: list[Recommendation], popular: PopularFeed, seen: frozenset[UUID]
    ) -> Iterable[Recommendation]:
        """The less is known of the user, the more popular posts count: shares are known posts over the threshold."""
        share = len(seen) / self.cold_start_threshold
        merged = {post_id: ((1 - share) * score, Reason.POPULAR) for post_id, score in popular.without(seen)}
        for item in collaborative:
            popular_part = merged.get(item.post_id, (0.0, Reason.POPULAR))[0]
            own_part = share * item.score
            reason = Reason.COLLABORATIVE_FILTERING if own_part >= popular_part else Reason.POPULAR
            merged[item.post_id] = (own_part + popular_part, reason)
        counting = [(post_id, part) for post_id, part in merged.items() if part[0] > 0]
        ordered = sorted(counting, key=lambda entry: (-entry[1][0], entry[0]))[: self.depth]
        best = ordered[0][1][0] if ordered else 1.0
        return (Recommendation(post_id, score / best, reason) for post_id, (score, reason) in ordered)
