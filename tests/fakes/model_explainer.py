"""Reasons that are given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.domain.errors import ArtefactRefused
from core.domain.explanation import Influence, InfluenceKind, ModelView, Neighbour, PostView
from core.domain.history import History
from core.domain.model import ModelRecord


@dataclass
class FakeModelExplainer:
    """Every post is spoken for by one neighbour; `asked` remembers what it was asked; `gone` have no bytes."""

    neighbour: UUID
    gone: set[int] = field(default_factory=set)
    asked: list[tuple[int, datetime | None, History, tuple[UUID, ...]]] = field(default_factory=list)

    async def explain(
        self, record: ModelRecord, as_of: datetime | None, history: History, post_ids: Sequence[UUID], depth: int
    ) -> ModelView:
        if record.number in self.gone:
            raise ArtefactRefused("the stored bytes of the model are missing or damaged")
        self.asked.append((record.number, as_of, history, tuple(post_ids)))
        influence = Influence(InfluenceKind.NEIGHBOUR, self.neighbour, strength=0.5, vote=2.0, share=1.0)
        posts = tuple(
            PostView(post_id, is_known=True, place=1, raw_score=1.0, influences=(influence,)) for post_id in post_ids
        )
        return ModelView({}, (Neighbour(self.neighbour, 0.5),), posts[:depth], best_score=1.0)
