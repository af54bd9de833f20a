"""Models of the registry, loaded to give their reasons."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from core.application.ports.artefact_store import ArtefactStore
from core.domain.explanation import ModelView
from core.domain.history import History
from core.domain.model import ModelRecord
from core.infrastructure.joblib_model_file import read_model
from core.infrastructure.live_tail import Tails
from core.infrastructure.model_reasons import reasons
from core.infrastructure.ranking_model import RankingModel


class ArtefactModelExplainer:
    """Loads the model anew each time, and what has happened since it learned: a person asks seldom."""

    def __init__(self, artefacts: ArtefactStore, tails: Tails | None, at_most: int) -> None:
        """tails: as those who make feeds have them, None where they have none; at_most: so many neighbours, and
        influences of each post, are told.
        """
        self._artefacts = artefacts
        self._tails = tails
        self._at_most = at_most

    async def explain(
        self, record: ModelRecord, as_of: datetime | None, history: History, post_ids: Sequence[UUID], depth: int
    ) -> ModelView:
        """Fetch the bytes, and ask the model in a thread."""
        path = await self._artefacts.fetch(record.sha256)
        model = RankingModel.from_arrays(await asyncio.to_thread(read_model, path, record.sha256))
        if self._tails is not None:
            model = await self._tails.model_at(as_of, model, record)
        return await asyncio.to_thread(reasons, model, history, post_ids, depth, self._at_most)
