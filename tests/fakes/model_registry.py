"""Models in a dict, and the number of the one that serves."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.application.ports.clock import Clock
from core.application.ports.training import TrainedModel
from core.domain.errors import ArchiveUnavailable, ConfigurationError, NotFound, PromotionRefused, PruneRefused
from core.domain.gate import Verdict
from core.domain.model import ModelRecord, ModelStatus, Serving, version_name
from core.domain.trial import Trial
from tests.fakes.clock import FakeClock


@dataclass
class FakeModelRegistry:
    """`champion` and `epoch` are the pointer that promotion flips; `promotions` the numbers it has pointed at."""

    first_number: int = 1
    pin: int | None = None
    models: dict[int, ModelRecord] = field(default_factory=dict)
    champion: int | None = None
    epoch: int = 0
    clock: Clock = field(default_factory=FakeClock)
    unavailable: bool = False
    promotions: list[int] = field(default_factory=list)

    async def serving(self) -> Serving:
        self._answer()
        if self.pin is not None and self.pin not in self.models:
            raise ConfigurationError(f"MODEL_PIN names {version_name(self.pin)}, which does not exist")
        number = self.pin or self.champion
        return Serving(None if number is None else self.models[number], self.epoch)

    async def register(
        self, trained: TrainedModel, sha256: str, size_bytes: int, trial: Trial | None, verdict: Verdict
    ) -> ModelRecord:
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
            training_seconds=trained.seconds,
            data_digest=trained.data_digest,
            code_revision=trained.code_revision,
            trial=trial,
            verdict=verdict,
            data_snapshot=trained.data_snapshot,
            data_open_since=trained.data_open_since,
        )
        self.models[record.number] = record
        return record

    async def promote(self, number: int, by: str, seen_epoch: int) -> Serving:
        self._answer()
        self._check_unpinned()
        if self._existing(number).pruned_at is not None:
            raise PromotionRefused(f"the bytes of {version_name(number)} were pruned: train anew")
        if number != self.champion:
            self._check_unchanged(seen_epoch)
            self._change_champion(status=ModelStatus.RETIRED)
            self._crown(number, by)
        return await self.serving()

    async def roll_back(self, by: str, seen_epoch: int) -> Serving:
        self._answer()
        self._check_unpinned()
        self._check_unchanged(seen_epoch)
        before = [
            number
            for number in self.promotions
            if number != self.champion and not (self.models[number].withdrawn_at or self.models[number].pruned_at)
        ]
        if not before:
            raise PromotionRefused("there is no earlier model to go back to")
        self._change_champion(status=ModelStatus.RETIRED, withdrawn_at=self.clock.now(), withdrawn_by=by)
        self._crown(before[-1], by)
        return await self.serving()

    async def find(self, number: int) -> ModelRecord | None:
        self._answer()
        return self.models.get(number)

    async def all(self) -> Sequence[ModelRecord]:
        self._answer()
        return [self.models[number] for number in sorted(self.models, reverse=True)]

    async def mark_pruned(self, number: int) -> None:
        self._answer()
        record = self._existing(number)
        if number in (self.champion, self.pin):
            raise PruneRefused(f"{record.version} serves: promote another model first")
        self.models[number] = replace(record, pruned_at=record.pruned_at or self.clock.now())

    async def stale_versions(self) -> frozenset[str]:
        self._answer()
        return frozenset(
            record.version
            for record in self.models.values()
            if (record.withdrawn_at if self.pin is None else record.number != self.pin)
        )

    def _existing(self, number: int) -> ModelRecord:
        if number not in self.models:
            raise NotFound(f"there is no model {version_name(number)}")
        return self.models[number]

    def _check_unpinned(self) -> None:
        if self.pin is not None:
            raise PromotionRefused(f"MODEL_PIN names {version_name(self.pin)}: unset it to let another model serve")

    def _check_unchanged(self, seen_epoch: int) -> None:
        if self.champion is not None and self.epoch != seen_epoch:
            champion = self.models[self.champion]
            raise PromotionRefused(f"{champion.promoted_by} has let {champion.version} serve meanwhile")

    def _change_champion(self, **values: Any) -> None:
        if self.champion is not None:
            self.models[self.champion] = replace(self.models[self.champion], **values)

    def _crown(self, number: int, by: str) -> None:
        self.models[number] = replace(
            self.models[number],
            status=ModelStatus.CHAMPION,
            promoted_at=self.clock.now(),
            promoted_by=by,
            withdrawn_at=None,
            withdrawn_by=None,
        )
        self.champion = number
        self.epoch += 1
        self.promotions.append(number)

    def _answer(self) -> None:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
