"""Models in a dict, and the number of the one that serves."""

from dataclasses import dataclass, field, replace

from core.application.ports.clock import Clock
from core.application.ports.training import TrainedModel
from core.domain.errors import ArchiveUnavailable, ConfigurationError, NotFound, PromotionRefused
from core.domain.model import ModelRecord, ModelStatus, Serving, version_name
from tests.fakes.clock import FakeClock


@dataclass
class FakeModelRegistry:
    """`champion` and `epoch` are the pointer that promotion flips."""

    first_number: int = 1
    pin: int | None = None
    models: dict[int, ModelRecord] = field(default_factory=dict)
    champion: int | None = None
    epoch: int = 0
    clock: Clock = field(default_factory=FakeClock)
    unavailable: bool = False

    async def serving(self) -> Serving:
        self._answer()
        if self.pin is not None and self.pin not in self.models:
            raise ConfigurationError(f"MODEL_PIN names {version_name(self.pin)}, which does not exist")
        number = self.pin or self.champion
        return Serving(None if number is None else self.models[number], self.epoch)

    async def register(self, trained: TrainedModel, sha256: str, size_bytes: int) -> ModelRecord:
        self._answer()
        record = ModelRecord(
            number=max(self.first_number, max(self.models, default=0) + 1),
            algorithm=trained.algorithm,
            parameters=trained.parameters,
            metrics=trained.metrics,
            sha256=sha256,
            size_bytes=size_bytes,
            status=ModelStatus.CANDIDATE,
            interaction_count=trained.interaction_count,
            user_count=trained.user_count,
            post_count=trained.post_count,
            data_from=trained.data_from,
            data_up_to=trained.data_up_to,
            trained_at=self.clock.now(),
        )
        self.models[record.number] = record
        return record

    async def promote(self, number: int, by: str) -> Serving:
        self._answer()
        if self.pin is not None:
            raise PromotionRefused(f"MODEL_PIN names {version_name(self.pin)}: unset it to let another model serve")
        if number not in self.models:
            raise NotFound(f"there is no model {version_name(number)}")
        if number != self.champion:
            self._flip(number, by)
        return await self.serving()

    async def find(self, number: int) -> ModelRecord | None:
        self._answer()
        return self.models.get(number)

    def _flip(self, number: int, by: str) -> None:
        if self.champion is not None:
            self.models[self.champion] = replace(self.models[self.champion], status=ModelStatus.RETIRED)
        self.models[number] = replace(
            self.models[number], status=ModelStatus.CHAMPION, promoted_at=self.clock.now(), promoted_by=by
        )
        self.champion = number
        self.epoch += 1

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
