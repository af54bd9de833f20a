"""The models whose feeds are stale, as a process keeps them in mind."""

from core.application.ports.model_registry import ModelRegistry
from core.infrastructure.held_copy import HeldCopy


class HeldStaleModels(HeldCopy[frozenset[str]]):
    """None at all before the registry has first answered."""

    def __init__(self, registry: ModelRegistry, poll_seconds: float) -> None:
        super().__init__(registry.stale_versions, frozenset(), poll_seconds, "stale_models_not_read")

    def includes(self, model_version: str) -> bool:
        """Whether the registry named it when it last answered."""
        return model_version in self.current()
