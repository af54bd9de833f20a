"""A model that gives its reasons."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.domain.explanation import ModelView
from core.domain.history import History
from core.domain.model import ModelRecord


class ModelExplainer(Protocol):
    """Any model of the registry whose bytes are still there. Raises ArtefactRefused, ArchiveUnavailable."""

    async def explain(
        self, record: ModelRecord, as_of: datetime | None, history: History, post_ids: Sequence[UUID], depth: int
    ) -> ModelView:
        """What that model says of these posts, or of those it puts first; places are told down to the depth.

        as_of: up to when it counts what has happened since it learned, None for up to now.
        """
        ...
