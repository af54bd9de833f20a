"""Learn a model from the interactions, try it, and let it serve if it may."""

from dataclasses import dataclass
from pathlib import Path

from core.application.ports.artefact_store import ArtefactStore
from core.application.ports.model_registry import ModelRegistry
from core.application.ports.model_trial import ModelTrial
from core.application.ports.popular_posts import PopularPosts
from core.application.ports.run_tracker import RunKind, RunTracker, TrackedRun
from core.application.ports.training import ModelTraining, TrainedModel
from core.domain.errors import ArtefactRefused, PromotionRefused
from core.domain.gate import BYPASSED, Gate, Learned, Verdict
from core.domain.model import ModelRecord, ModelStatus
from core.domain.trial import Trial


@dataclass(frozen=True, slots=True)
class Training:
    """The model as it is registered; refusal: why it stays a candidate, None where it serves."""

    record: ModelRecord
    refusal: str | None = None

    @property
    def was_refused_by_gate(self) -> bool:
        """Whether it stays a candidate because of what it is."""
        verdict = self.record.verdict
        return self.record.status is ModelStatus.CANDIDATE and verdict is not None and not verdict.admitted


@dataclass(frozen=True, slots=True)
class TrainModel:
    """The bytes are stored before the row that names them, and the row before the pointer to it.

    The champion that the new model is tried beside is the one whose place it takes: after any other change it does not.
    """

    training: ModelTraining
    artefacts: ArtefactStore
    trial: ModelTrial
    gate: Gate
    registry: ModelRegistry
    popular: PopularPosts
    tracker: RunTracker

    async def __call__(self, by: str, *, is_gated: bool = True) -> Training:
        """The new model, and whether it serves. Raises NotTrainable."""
        trained = await self.training.train()
        training = await self._registered(trained, by, is_gated=is_gated)
        await self.tracker.track(run_of(training.record, trained.path))
        return training

    async def _registered(self, trained: TrainedModel, by: str, *, is_gated: bool) -> Training:
        sha256, size_bytes = await self.artefacts.put(trained.path)
        seen = await self.registry.serving()
        trial, verdict = await self._judged(trained, seen.model) if is_gated else (None, BYPASSED)
        record = await self.registry.register(trained, sha256, size_bytes, trial, verdict)
        # A model of the same bytes may have been pruned meanwhile: from here on this row keeps them.
        await self.artefacts.put(trained.path)
        await self.popular.refresh()
        if not verdict.admitted:
            return Training(record, verdict.says)
        return await self._promoted(record, by, seen.epoch)

    async def _judged(self, trained: TrainedModel, champion: ModelRecord | None) -> tuple[Trial, Verdict]:
        trial = await self.trial(trained, champion, await self._file_of(champion))
        candidate = Learned(trained.interaction_count, trained.user_count, trained.post_count)
        return trial, self.gate(trial, candidate, None if champion is None else champion.learned)

    async def _file_of(self, champion: ModelRecord | None) -> Path | None:
        """Without the champion's bytes the trial still has its recipe."""
        try:
            return None if champion is None else await self.artefacts.fetch(champion.sha256)
        except ArtefactRefused:
            return None

    async def _promoted(self, record: ModelRecord, by: str, seen_epoch: int) -> Training:
        try:
            serving = await self.registry.promote(record.number, by, seen_epoch)
        except PromotionRefused as refused:
            return Training(record, str(refused))
        return Training(serving.model or record)


def run_of(record: ModelRecord, artefact: Path) -> TrackedRun:
    """A training as it is compared with others: how it learned, from what, how good it is, and what became of it."""
    trial = record.trial or Trial()
    metrics = dict(record.metrics) | {name: measured.mean for name, measured in trial.metrics.items()}
    for name, measured in trial.metrics.items():
        metrics |= {f"{name}_low": measured.low, f"{name}_high": measured.high}
    gains = {"gain_over_popular": trial.gain_over_popular}
    if trial.learned_anew is not None:
        gains["gain_over_champion"] = trial.learned_anew.gain
    metrics |= {name: gain.mean for name, gain in gains.items() if gain is not None}
    figures = {
        "interactions": record.interaction_count,
        "users": record.user_count,
        "posts": record.post_count,
        "size_bytes": record.size_bytes,
        "training_seconds": record.training_seconds,
        "generation_ms": trial.generation_ms,
        "reach": trial.reach,
    }
    return TrackedRun(
        kind=RunKind.TRAINING,
        name=record.version,
        parameters={"algorithm": record.algorithm, **record.parameters},
        metrics=metrics | {name: value for name, value in figures.items() if value is not None},
        series={f"{name}_by_window": values for name, values in trial.by_window.items()},
        tags={
            "model_version": record.version,
            "status": record.status.value,
            "gate": record.verdict.outcome.value if record.verdict is not None else "",
            "sha256": record.sha256,
            "data_digest": record.data_digest or "",
            "data_up_to": record.data_up_to.isoformat(),
            "code_revision": record.code_revision or "",
        },
        files=(artefact,),
    )
