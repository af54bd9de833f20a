"""A trial of a new model beside the one that serves."""

from pathlib import Path
from typing import Protocol

from core.application.ports.training import TrainedModel
from core.domain.model import ModelRecord
from core.domain.trial import Comparison, Trial


class ModelTrial(Protocol):
    """Replays the latest windows of the interactions; changes nothing. Raises ArchiveUnavailable.

    What keeps a trial from being carried out becomes its `problem`: a trial never fails the training.
    """

    async def __call__(
        self, candidate: TrainedModel, champion: ModelRecord | None, champion_file: Path | None
    ) -> Trial:
        """Try the candidate. champion_file: the champion's bytes, None where they cannot be had."""
        ...

    async def compare(self, one: ModelRecord, other: ModelRecord) -> Comparison:
        """Let both learn anew before each window: the gain of `one` over `other`. Raises NotTrainable."""
        ...
