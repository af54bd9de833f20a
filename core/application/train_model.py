"""Learn a model from the interactions and let it serve."""

from dataclasses import dataclass

from core.application.ports.artefact_store import ArtefactStore
from core.application.ports.model_registry import ModelRegistry
from core.application.ports.popular_posts import PopularPosts
from core.application.ports.training import ModelTraining
from core.domain.errors import PromotionRefused
from core.domain.model import ModelRecord


@dataclass(frozen=True, slots=True)
class TrainModel:
    """The bytes are stored before the row that names them, and the row before the pointer to it."""

    training: ModelTraining
    artefacts: ArtefactStore
    registry: ModelRegistry
    popular: PopularPosts

    async def __call__(self, by: str) -> ModelRecord:
        """The new model: champion, or still a candidate where a pin refuses promotion. Raises NotTrainable."""
        trained = await self.training.train()
        sha256, size_bytes = await self.artefacts.put(trained.path)
        record = await self.registry.register(trained, sha256, size_bytes)
        await self.popular.refresh()
        try:
            serving = await self.registry.promote(record.number, by)
        except PromotionRefused:
            return record
        return serving.model or record
