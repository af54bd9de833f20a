"""From the interactions to a model file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model just written to a local file, and what it was learned from.

    data_digest: the same for the same interactions, in whatever order; code_revision: of the program; seconds: how long
    it took; data_snapshot: the transactions whose interactions were read, as Postgres tells it; data_open_since: what
    others add happened no earlier, as a rule.
    """

    path: Path
    algorithm: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    interaction_count: int
    user_count: int
    post_count: int
    data_from: datetime
    data_up_to: datetime
    data_digest: str
    code_revision: str
    seconds: float
    data_snapshot: str | None = None
    data_open_since: datetime | None = None


class ModelTraining(Protocol):
    """Reads all interactions in one snapshot and fits the algorithm.

    Raises NotTrainable, ArchiveUnavailable, and ConfigurationError where memory or folder are not what it takes.
    """

    async def train(self) -> TrainedModel: ...
