"""Let a model of the registry serve, whatever the gate said of it."""

from dataclasses import dataclass

from core.application.ports.artefact_store import ArtefactStore
from core.application.ports.model_registry import ModelRegistry
from core.application.secured_bytes import secure_bytes
from core.domain.errors import NotFound
from core.domain.model import Serving, version_name


@dataclass(frozen=True, slots=True)
class PromoteModel:
    """Its bytes are read before the pointer is flipped: what nobody could load must not become the champion."""

    registry: ModelRegistry
    artefacts: ArtefactStore

    async def __call__(self, number: int, by: str) -> Serving:
        """Raises NotFound, ArtefactRefused, and PromotionRefused under a pin and after another change."""
        seen = await self.registry.serving()
        record = await self.registry.find(number)
        if record is None:
            raise NotFound(f"there is no model {version_name(number)}: `threads-ml models list` shows which there are")
        if record.pruned_at is None:
            await secure_bytes(self.artefacts, record)
        return await self.registry.promote(number, by, seen.epoch)
