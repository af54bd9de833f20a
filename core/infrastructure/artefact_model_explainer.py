"""Models of the registry, loaded to give their reasons."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from core.application.ports.artefact_store import ArtefactStore
from core.domain.explanation import ModelView
from core.domain.history import History
from core.domain.model import ModelRecord
from core.infrastructure.joblib_model_file import read_model
from core.infrastructure.model_reasons import reasons
from core.infrastructure.ranking_model import RankingModel


class ArtefactModelExplainer:
    """Loads the model anew each time: a person asks seldom."""

    def __init__(self, artefacts: ArtefactStore, at_most: int) -> None:
        """at_most: so many neighbours, and influences of each post, are told."""
        self._artefacts = artefacts
        self._at_most = at_most

    async def explain(self, record: ModelRecord, history: History, post_ids: Sequence[UUID], depth: int) -> ModelView:
        """Fetch the bytes, and ask the model in a thread."""
        path = await self._artefacts.fetch(record.sha256)
        model = RankingModel.from_arrays(await asyncio.to_thread(read_model, path, record.sha256))
        return await asyncio.to_thread(reasons, model, history, post_ids, depth, self._at_most)
