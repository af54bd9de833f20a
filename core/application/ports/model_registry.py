"""Which models there are, and which one serves."""

from typing import Protocol

from core.application.ports.training import TrainedModel
from core.domain.model import ModelRecord, Serving


class ModelRegistry(Protocol):
    """The one truth about models, shared by all machines. Raises ArchiveUnavailable."""

    async def serving(self) -> Serving:
        """The champion and its epoch, or the pinned model where one is pinned."""
        ...

    async def register(self, trained: TrainedModel, sha256: str, size_bytes: int) -> ModelRecord:
        """Add a candidate under the next free number."""
        ...

    async def promote(self, number: int, by: str) -> Serving:
        """In one transaction make it champion, retire the last and raise the epoch. Raises PromotionRefused."""
        ...

    async def find(self, number: int) -> ModelRecord | None: ...
