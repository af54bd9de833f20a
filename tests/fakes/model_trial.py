"""A trial whose figures are given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.application.ports.training import TrainedModel
from core.domain.model import ModelRecord
from core.domain.trial import Comparison, Measured, Trial


@dataclass
class FakeModelTrial:
    """Answers with `outcome` after `on_try`; `tried` remembers beside which champion, and from which file."""

    outcome: Trial = field(default_factory=Trial)
    on_try: Callable[[], Awaitable[object]] | None = None
    tried: list[tuple[ModelRecord | None, Path | None]] = field(default_factory=list)

    async def __call__(
        self, candidate: TrainedModel, champion: ModelRecord | None, champion_file: Path | None
    ) -> Trial:
        self.tried.append((champion, champion_file))
        if self.on_try is not None:
            await self.on_try()
        return self.outcome

    async def compare(self, one: ModelRecord, other: ModelRecord) -> Comparison:
        return self.outcome.learned_anew or Comparison(0, 0, Measured(0.0, 0.0, 0.0))
