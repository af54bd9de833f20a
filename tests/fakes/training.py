"""Training without numbers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from core.application.ports.training import TrainedModel
from core.domain.errors import NotTrainable


@dataclass
class FakeModelTraining:
    """Writes `content` as the model file; with `interaction_count` 0 there is nothing to learn from."""

    folder: Path
    content: bytes = b"a model"
    interaction_count: int = 10
    runs: list[Path] = field(default_factory=list)

    async def train(self) -> TrainedModel:
        if not self.interaction_count:
            raise NotTrainable("0 interactions are too little to learn from")
        path = self.folder / f"trained-{len(self.runs)}.joblib"
        path.write_bytes(self.content)
        self.runs.append(path)
        moment = datetime(2026, 10, 1, tzinfo=UTC)
        return TrainedModel(
            path=path,
            algorithm="user_knn",
            parameters={"n_neighbors": 50},
            metrics={"pairs": 10.0},
            interaction_count=self.interaction_count,
            user_count=3,
            post_count=4,
            data_from=moment,
            data_up_to=moment,
            data_digest="0" * 32,
            code_revision="1f3c0de",
            seconds=1.5,
        )
