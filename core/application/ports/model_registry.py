"""Which models there are, and which one serves."""

from collections.abc import Sequence
from typing import Protocol

from core.application.ports.training import TrainedModel
from core.domain.gate import Verdict
from core.domain.model import ModelRecord, Serving
from core.domain.trial import Trial


class ModelRegistry(Protocol):
    """The one truth about models, shared by all machines. Raises ArchiveUnavailable.

    Whoever changes what serves names the epoch that was seen: of two at once one wins, and the other is refused.
    """

    async def serving(self) -> Serving:
        """The champion and its epoch, or the pinned model where one is pinned."""
        ...

    async def register(
        self, trained: TrainedModel, sha256: str, size_bytes: int, trial: Trial | None, verdict: Verdict
    ) -> ModelRecord:
        """Add a candidate under the next free number."""
        ...

    async def promote(self, number: int, by: str, seen_epoch: int) -> Serving:
        """In one transaction make it champion, retire the last and raise the epoch.

        Raises NotFound, and PromotionRefused under a pin, for a model whose bytes are gone, and after another change.
        """
        ...

    async def roll_back(self, by: str, seen_epoch: int) -> Serving:
        """In one transaction withdraw the champion, let the one before it serve again and raise the epoch.

        Raises PromotionRefused under a pin, where there is none before it, and after another change.
        """
        ...

    async def find(self, number: int) -> ModelRecord | None:
        """The model, None where there never was one of that number."""
        ...

    async def all(self) -> Sequence[ModelRecord]:
        """Every model ever registered, the newest first."""
        ...

    async def mark_pruned(self, number: int) -> None:
        """Note, before they go, that the model's bytes are gone. Raises NotFound, and PruneRefused for the champion."""
        ...

    async def stale_versions(self) -> frozenset[str]:
        """The models whose feeds are stale whatever their age: those withdrawn, or under a pin all others."""
        ...
