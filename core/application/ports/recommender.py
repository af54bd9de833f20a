"""The model at work."""

from typing import Protocol
from uuid import UUID

from core.domain.composition import Composition
from core.domain.history import History, HistoryBatch
from core.domain.popular import PopularFeed
from core.domain.ranking import ComposedFeeds, Ranking, Recollection


class Recommender(Protocol):
    """Answers each call wholly from one model: the champion that was loaded when the call began."""

    async def rank(self, history: History, limit: int) -> Ranking:
        """The best posts for this live history, none of it among them; an empty ranking while no model is loaded."""
        ...

    async def recall(self, user_id: UUID, limit: int) -> Recollection | None:
        """The best posts for the user's history as the model has learned it; None where it knows of none."""
        ...

    async def compose_many(
        self, histories: HistoryBatch, popular: PopularFeed, composition: Composition
    ) -> ComposedFeeds:
        """What `rank` and the composition make of each history, those below the cold-start threshold left out."""
        ...
